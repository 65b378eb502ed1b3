import { randomBytes } from 'node:crypto';
import { parseConfig } from '../../config/config.ts';
import { isLoopback } from '../../config/readers.ts';
import { judgeCallbackUrl } from '../../doctor/callback.ts';
import { examineCallback } from '../../doctor/examine.ts';
import { realNetwork } from '../../doctor/network.ts';
import { realClock } from '../../runtime/real-clock.ts';
import { openMessages } from '../open-command.ts';
import { ExitCode, ExitError } from '../shell.ts';
import { answer, checkSetting, type Session, sayFinding } from './session.ts';

/** How Withings reaches this computer. */
interface Way {
  readonly name: string;
  /** What runs on this computer next to weighbridge, and is all that weighbridge needs to answer. */
  readonly isHere: boolean;
  /** What to do, once there is a host name. */
  readonly start: (host: string, port: number) => string;
}

const recipe = (title: string) => `follow the recipe "${title}" in deploy/README.md`;

export const WAYS: Readonly<Record<string, Way>> = {
  ngrok: {
    name: 'ngrok (a free account, works behind any router)',
    isHere: true,
    start: (host, port) => `run "ngrok http ${port} --url https://${host}" in another terminal`,
  },
  cloudflare: {
    name: 'Cloudflare Tunnel (a domain of your own, works behind any router)',
    isHere: true,
    start: () => recipe('Cloudflare Tunnel'),
  },
  tailscale: {
    name: 'Tailscale Funnel (an account, works behind any router)',
    isHere: true,
    start: () => recipe('Tailscale Funnel'),
  },
  proxy: {
    name: 'A proxy such as Caddy or nginx (a port forward in the router)',
    isHere: false,
    start: () => recipe('Caddy" or "nginx'),
  },
};
const NONE = 'none';
export const WAY_NAMES: readonly string[] = [...Object.keys(WAYS), NONE];

/** The part of the path that the recipes in deploy/ pass on. */
const ROUTE = '/withingsWebhook';
const SECRET_BYTES = 16;

/** Makes the callback URL, or the redirect URL where Withings cannot reach this computer. */
export async function chooseWayIn(session: Session): Promise<void> {
  const { options, say } = session;
  const isAsked = [options.way, options.hostName, options.redirectUrl].some((each) => each !== undefined);
  if (!isAsked && (session.setting('CALLBACK_URL') ?? session.setting('REDIRECT_URL')) !== undefined) return;
  say('Withings sends a notification after each weigh-in. For that it needs a way to this computer.');
  const given = options.way ?? (options.hostName && 'proxy') ?? (options.redirectUrl && NONE);
  const isKnown = (name: string) => (WAY_NAMES.includes(name) ? undefined : `must be one of ${WAY_NAMES.join(', ')}`);
  const choices = [
    ...Object.entries(WAYS).map(([value, { name }]) => ({ value, name })),
    { value: NONE, name: 'Nothing: weighbridge asks Withings every 10 minutes instead' },
  ];
  const chosen = await answer(session, '--way', given, isKnown, (ask) => ask.choose('Which way is it?', choices));
  const way = WAYS[chosen];
  if (way === undefined) await takeRedirectUrl(session);
  else await makeCallbackUrl(session, way);
}

async function makeCallbackUrl(session: Session, way: Way): Promise<void> {
  const { options, say } = session;
  const { listen, withings } = session.config();
  const sandbox = isLoopback(withings.apiUrl.hostname);
  const check = (text: string) => {
    const url = `${originOf(text)}${ROUTE}`;
    const problem = checkSetting('CALLBACK_URL')(url);
    const broken = problem === undefined && judgeCallbackUrl(url, { sandbox }).find(({ mark }) => mark === 'broken');
    return problem ?? (broken ? `${broken.text}: ${broken.remedy}` : undefined);
  };
  const host = await answer(session, '--host-name', options.hostName, check, (ask) =>
    ask.text('The host name that it gives this computer (such as NAME.ngrok-free.app):', check),
  );
  const origin = originOf(host);
  const url = `${origin}${ROUTE}/${randomBytes(SECRET_BYTES).toString('hex')}`;
  const isListening = session.setting('HOST') !== undefined;
  await session.save({ CALLBACK_URL: url, ...(way.isHere && !isListening && { HOST: '127.0.0.1' }) });
  say(`Now let it lead to port ${listen.port} of this computer: ${way.start(new URL(origin).host, listen.port)}.`);
}

/** People paste a host name, or what stands in the address bar of a browser. */
function originOf(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `https://${text}`;
  return URL.canParse(url) ? new URL(url).origin : url;
}

async function takeRedirectUrl(session: Session): Promise<void> {
  const { options, say } = session;
  say('Without a way in weighbridge polls. Withings only needs an address for the browser to end on after linking.');
  const { port } = session.config().listen;
  const check = checkSetting('REDIRECT_URL');
  const url = await answer(session, '--redirect-url', options.redirectUrl, check, (ask) =>
    ask.text('Which address? Any page of yours will do:', check, `http://localhost:${port}${ROUTE}`),
  );
  await session.save({ REDIRECT_URL: url });
}

/**
 * Tries the callback URL as the doctor does.
 *
 * @returns whether Withings can reach it
 */
export async function tryWayIn(session: Session): Promise<boolean> {
  const { questions, say, options } = session;
  if (session.setting('CALLBACK_URL') === undefined || !options.try) return true;
  say('Trying the callback URL, as Withings does …');
  for (;;) {
    if (await isReachable(session)) return true;
    if (questions === undefined) {
      say('The answers so far are in .env. Run "weighbridge setup" again when the way in works.');
      throw new ExitError(ExitCode.failed);
    }
    const choice = await questions.choose('The callback URL does not work yet. What now?', [
      { value: 'again', name: 'Try again' },
      { value: 'on', name: 'Go on: link now, and repair the way in later ("weighbridge doctor" checks it)' },
    ]);
    if (choice === 'on') return false;
  }
}

async function isReachable(session: Session): Promise<boolean> {
  const shell = session.shell();
  const config = session.config();
  const parsed = parseConfig(shell.env, 'withings', shell.written);
  const world = { network: realNetwork, clock: realClock, log: openMessages(shell, config) };
  let isFine = true;
  for await (const finding of examineCallback(parsed, world)) {
    // This command stands in for a daemon, as it will for the link.
    if (finding.check === 'daemon' && finding.mark === 'warning') continue;
    if (finding.mark === 'broken') isFine = false;
    sayFinding(session, config, finding);
  }
  return isFine;
}
