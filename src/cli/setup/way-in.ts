import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '../../config/config.ts';
import { isLoopback } from '../../config/readers.ts';
import { faultsOf } from '../../doctor/callback.ts';
import { examineCallback } from '../../doctor/examine.ts';
import { openNetwork } from '../../doctor/network.ts';
import { realClock } from '../../runtime/real-clock.ts';
import { openMessages } from '../open-command.ts';
import { ExitCode, ExitError } from '../shell.ts';
import { sayUrlToEnter } from './client.ts';
import { answer, checkSetting, type Session, sayFinding } from './session.ts';

/** How Withings reaches this computer. */
interface Way {
  readonly name: string;
  /** Whether the way in runs on this computer, so that weighbridge needs nothing else to answer. */
  readonly isHere: boolean;
  /** The next steps after the host name; the guide has the recipes. */
  readonly start: (at: { readonly host: string; readonly port: number; readonly guide: string }) => string;
}

const recipe =
  (title: string): Way['start'] =>
  ({ guide }) =>
    `follow the recipe "${title}" in ${guide}`;

export const WAYS: Readonly<Record<string, Way>> = {
  ngrok: {
    name: 'ngrok (a free account, works behind any router)',
    isHere: true,
    start: ({ host, port }) => `run "ngrok http ${port} --url https://${host}" in another terminal`,
  },
  cloudflare: {
    name: 'Cloudflare Tunnel (a domain of your own, works behind any router)',
    isHere: true,
    start: recipe('Cloudflare Tunnel'),
  },
  tailscale: {
    name: 'Tailscale Funnel (an account, works behind any router)',
    isHere: true,
    start: recipe('Tailscale Funnel'),
  },
  proxy: {
    name: 'A proxy such as Caddy or nginx (a port forward in the router)',
    isHere: false,
    start: recipe('Caddy" or "nginx'),
  },
};
const NONE = 'none';
export const WAY_NAMES: readonly string[] = [...Object.keys(WAYS), NONE];

/** The part of the path that the recipes in deploy/ forward. */
const ROUTE = '/withingsWebhook';
const SECRET_BYTES = 16;

/**
 * Makes the callback URL, or the redirect URL if Withings cannot reach this computer, unless one exists.
 *
 * @returns whether it is new
 */
export async function chooseWayIn(session: Session): Promise<boolean> {
  const { options, setting } = session;
  const isAsked = [options.way, options.hostName, options.redirectUrl].some((each) => each !== undefined);
  if (!isAsked && (setting('CALLBACK_URL') ?? setting('REDIRECT_URL')) !== undefined) return false;
  await makeUrl(session);
  return true;
}

async function makeUrl(session: Session): Promise<void> {
  const { options, say } = session;
  say('Withings sends a notification after each weigh-in. For that, Withings needs a way to this computer.');
  const usual = options.hostName !== undefined ? 'proxy' : options.redirectUrl !== undefined ? NONE : undefined;
  const given = options.way ?? usual;
  const isKnown = (name: string) => (WAY_NAMES.includes(name) ? undefined : `expected one of ${WAY_NAMES.join(', ')}`);
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
  const check = (text: string) => problemOf(text, sandbox);
  const given = await answer(session, '--host-name', options.hostName, check, (ask, checkBare) =>
    ask.text('Public host name of this computer (such as NAME.ngrok-free.app):', checkBare),
  );
  const origin = originOf(given) ?? '';
  const url = `${origin}${ROUTE}/${randomBytes(SECRET_BYTES).toString('hex')}`;
  const isListening = session.setting('HOST') !== undefined;
  await session.save({ CALLBACK_URL: url, ...(way.isHere && !isListening && { HOST: '127.0.0.1' }) });
  const { host } = new URL(origin);
  const { port } = listen;
  const guide = fileURLToPath(new URL('../README.md', session.shell().files.hooks));
  say(`Now forward ${host} to port ${port} of this computer: ${way.start({ host, port, guide })}.`);
}

/** The reason in its name why Withings cannot reach a host. */
function problemOf(text: string, sandbox: boolean): string | undefined {
  if (text === '') return 'expected a host name, e.g. NAME.ngrok-free.app';
  if (/\s/.test(text)) return 'Remove the space.';
  const origin = originOf(text);
  if (origin === undefined) return 'expected a host name, e.g. NAME.ngrok-free.app';
  if (sandbox && isLoopback(new URL(origin).hostname)) return undefined;
  const [fault] = faultsOf(`${origin}${ROUTE}`);
  return fault && `${fault.what}. A tunnel such as ngrok gives you a public name and port 443.`;
}

/** The origin of a pasted host name, or of a browser's address. Undefined for any other text. */
function originOf(text: string): string | undefined {
  const [, scheme = 'https', rest = ''] = /^(?:(https?):\/*)?(.*)$/i.exec(text) ?? [];
  const url = `${scheme}://${rest}`;
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, port } = new URL(url);
  const name = hostname.replace(/\.$/, '');
  if (!/^([\w.-]+|\[[\da-f:.]+\])$/.test(name)) return undefined;
  return `${protocol}//${name}${port === '' ? '' : `:${port}`}`;
}

async function takeRedirectUrl(session: Session): Promise<void> {
  const { options, say } = session;
  say('Without a way in, weighbridge polls. Withings only needs an address for the last page of linking.');
  const { port } = session.config().listen;
  const check = checkSetting('REDIRECT_URL');
  const url = await answer(session, '--redirect-url', options.redirectUrl, check, (ask, checkBare) =>
    ask.text('Which address? Any page of yours will do:', checkBare, `http://localhost:${port}${ROUTE}`),
  );
  const before = session.setting('CALLBACK_URL');
  await session.save({ REDIRECT_URL: url, CALLBACK_URL: undefined });
  if (before !== undefined) say('CALLBACK_URL is now a comment in .env, so that weighbridge polls.');
}

/**
 * Tries the callback URL as the doctor does.
 *
 * @returns whether Withings can reach it
 */
export async function tryWayIn(session: Session): Promise<boolean> {
  const { questions, say, options } = session;
  if (!options.try) return true;
  // It cannot try anything without a callback URL.
  while (session.setting('CALLBACK_URL') !== undefined) {
    say('Trying the callback URL, as Withings does …');
    if (await isReachable(session)) return true;
    if (questions === undefined) {
      say('Your answers are saved in .env. Run "weighbridge setup" again when the way in works.');
      throw new ExitError(ExitCode.failed);
    }
    const choice = await questions.choose('The callback URL does not work yet. What now?', [
      { value: 'again', name: 'Try again' },
      { value: 'change', name: 'Change the host name or the way' },
      { value: 'on', name: 'Continue: link now, and fix the way in later with "weighbridge doctor"' },
    ]);
    if (choice === 'on') return false;
    if (choice === 'again') continue;
    // The options were used, and their URL does not work.
    await makeUrl({ ...session, options: { try: true } });
    sayUrlToEnter(session);
  }
  return true;
}

async function isReachable(session: Session): Promise<boolean> {
  const shell = session.shell();
  const config = session.config();
  const parsed = parseConfig(shell.env, 'withings', shell.written);
  const network = openNetwork(shell.signal);
  const world = { network, clock: realClock, log: openMessages(shell, config) };
  let isFine = true;
  for await (const finding of examineCallback(parsed, world)) {
    shell.signal.throwIfAborted();
    // This command replaces a daemon, as it will for the link.
    if (finding.check === 'daemon' && finding.mark === 'warning') continue;
    if (finding.mark === 'broken') isFine = false;
    sayFinding(session, config, finding);
  }
  return isFine;
}
