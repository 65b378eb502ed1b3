import { once } from 'node:events';
import { resolve } from 'node:path';
import { type Callback, type Core, makeDirectories, type WithingsConfig } from '../daemon/core.ts';
import { formatTime } from '../domain/clock.ts';
import { formatWeight } from '../domain/format.ts';
import { nameOf, type People } from '../domain/household.ts';
import type { Linked, LinkFailed, LinkOutcome, Redirect } from '../domain/link.ts';
import type { Log } from '../domain/log.ts';
import type { UserId } from '../domain/token.ts';
import { Trouble } from '../domain/trouble.ts';
import { listen } from '../http/listen.ts';
import { createProof, localCallbackUrl, type Probe, probeCallback } from '../http/probe.ts';
import { createPublicApp } from '../http/public/app.ts';
import { realClock } from '../runtime/real-clock.ts';
import { openCommand } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

/** How often to look whether a running daemon has linked the person. */
const LOOK_MS = 1_000;
/** And whether it is still there. */
const LOOKS_PER_PROBE = 5;
/** For how many looks to wait for a browser that was told to come back after 3 s. */
const MOST_LOOKS = 15;

export interface LoginOptions {
  /** Withings' own demo account in place of a person's. */
  readonly demoUser?: boolean;
  /** The redirected address is typed in here, because the browser cannot come back by itself. */
  readonly paste?: boolean;
  readonly subscribe: boolean;
}

interface Setting {
  readonly shell: Shell;
  readonly config: WithingsConfig;
  readonly core: Core;
  readonly callback: Callback;
  readonly subscribe: boolean;
  readonly log: Log;
}

/** Links one person: prints the consent link, and takes care of what comes back. */
export async function login(shell: Shell, options: LoginOptions): Promise<ExitCode> {
  const { config, core, log } = openCommand(shell);
  const { callback } = core;
  if (callback === undefined) {
    const message = 'CALLBACK_URL is required: the browser comes back to it from the consent page';
    throw new ExitError(ExitCode.configuration, message);
  }
  const { subscribe } = options;
  const setting = { shell, config, core, callback, subscribe, log };
  const { link, id, expiresAt } = callback.consent.request({ demo: options.demoUser ?? false, subscribe });
  const show = () => {
    shell.say('Open this link in a browser, log in at Withings, choose the person and say yes:');
    shell.print(link.href);
  };
  if (options.paste) return await byHand(setting, show);
  const waitMs = expiresAt.getTime() - realClock.now().getTime();
  const patience = AbortSignal.any([shell.signal, AbortSignal.timeout(waitMs)]);
  return await byBrowser(setting, show, id, patience);
}

/** Serves the callback, or leaves that to a running daemon. A daemon may start and stop meanwhile. */
async function byBrowser(setting: Setting, show: () => void, id: string, patience: AbortSignal): Promise<ExitCode> {
  const { shell, config } = setting;
  const { isOurs, isHere } = await probeHere(config);
  if (isOurs && !isHere) throw elsewhere(config.directories.tokens);
  let isShown = false;
  const showOnce = () => {
    if (!isShown) show();
    isShown = true;
  };
  while (!patience.aborted) {
    const isLinked = await withoutDaemon(setting, showOnce, id, patience).catch(async (error) => {
      if (!(error instanceof Trouble && error.code === 'port_taken')) throw error;
      return await besideDaemon(setting, showOnce, id, patience, error);
    });
    if (isLinked) return ExitCode.done;
  }
  if (!shell.signal.aborted) shell.say(NO_REDIRECT);
  return ExitCode.failed;
}

const NO_REDIRECT = `error: nobody came back from the consent page, and the link is too old now.
Withings shows "redirect_uri_mismatch"? CALLBACK_URL must be the callback URL of your application in the partner
dashboard, letter by letter. The browser cannot reach the callback URL? "weighbridge doctor" finds out why.`;

/** A daemon is running and answers the browser: waits for what it notes, for as long as it runs. */
async function besideDaemon(
  { shell, core, config, callback, subscribe }: Setting,
  show: () => void,
  id: string,
  patience: AbortSignal,
  portTaken: Trouble,
): Promise<boolean> {
  if (!(await probeHere(config)).isHere) throw portTaken;
  shell.say('A weighbridge is running here and answers the browser.');
  const working = await listWorking(core);
  show();
  for (let looks = 1; !patience.aborted; looks += 1) {
    const userId = await linkedBy(core, id);
    if (userId !== undefined) {
      shell.say(`${nameOf(userId, config.people)} is linked; the page in the browser says how things stand.`);
      if (working.has(userId))
        shell.say(offerSwitch(userId, config.people, callback.consent.switchAccount({ subscribe })));
      return true;
    }
    await realClock.sleep(LOOK_MS, patience);
    if (looks % LOOKS_PER_PROBE === 0 && !(await probeHere(config)).isOurs) return false;
  }
  return false;
}

function elsewhere(tokens: string): Trouble {
  return new Trouble(`the weighbridge that runs here keeps its logins elsewhere than in ${resolve(tokens)}`, {
    code: 'other_place',
    recovery: 'settings',
    hint: 'start login in the folder of that one, or with the same TOKENS_DIR',
  });
}

/** No daemon is running: this process answers the browser, until the one who has this link is linked. */
async function withoutDaemon(setting: Setting, show: () => void, id: string, patience: AbortSignal): Promise<boolean> {
  const { shell, config, log } = setting;
  const linked = new AbortController();
  let isAwaited = false;
  const onOutcome = (whose: string, outcome: LinkOutcome) => {
    say(shell, outcome, config.people);
    if (whose === id && outcome.kind === 'linked') linked.abort();
  };
  await using linker = await openLinker(setting, onOutcome);
  const { credentials } = config.withings;
  const app = createPublicApp({
    path: config.callback.path,
    query: config.callback.query,
    trustProxy: config.listen.trustProxy,
    // A hint at most: the daemon asks for everything when it starts.
    onNotification: () => undefined,
    async onRedirect(redirect, patience) {
      const outcome = await linker.link(redirect, patience);
      isAwaited = outcome === 'working';
      return outcome;
    },
    prove: createProof(credentials.clientSecret),
    directory: resolve(config.directories.tokens),
    people: config.people,
    clock: realClock,
    log,
  });
  await using _listener = await listen(app, config.listen);
  show();
  const end = AbortSignal.any([patience, linked.signal]);
  if (!end.aborted) await once(end, 'abort');
  // A browser that was told to come back gets an answer.
  for (let looks = 0; isAwaited && looks < MOST_LOOKS && !shell.signal.aborted; looks += 1)
    await realClock.sleep(LOOK_MS, shell.signal);
  return linked.signal.aborted;
}

/** The browser ends on an address that it cannot open; the person copies it. */
async function byHand(setting: Setting, show: () => void): Promise<ExitCode> {
  const { shell, config } = setting;
  await using linker = await openLinker(setting);
  show();
  shell.say('The browser ends on a page that it cannot open. Copy its address, paste it here, and be quick:');
  shell.say('Withings gives half a minute.');
  for await (const line of shell.readLines()) {
    const redirect = readRedirect(line.trim());
    const outcome = redirect === undefined ? NOT_AN_ADDRESS : await linker.link(redirect, forever());
    if (outcome === 'working') break;
    say(shell, outcome, config.people);
    if (outcome.kind !== 'failed') return ExitCode.done;
  }
  if (!shell.signal.aborted) shell.say('error: nothing more came in, and nobody was linked');
  return ExitCode.failed;
}

const NOT_AN_ADDRESS: LinkFailed = {
  kind: 'failed',
  code: 'not_an_address',
  problem: 'This is not the address that Withings has sent the browser to.',
  remedy: 'Copy the whole address, with everything behind the question mark.',
};

async function openLinker({ config, core, callback }: Setting, onOutcome?: (id: string, outcome: LinkOutcome) => void) {
  await makeDirectories(config.directories);
  const journal = await core.openJournal();
  const collect = core.createCollect(journal, await core.openUnreadable());
  return callback.createLinker(journal, {
    fetch: async (userId) => void (await collect.since(userId, { urgent: true })),
    isDaemon: false,
    ...(onOutcome && { onOutcome }),
  });
}

function readRedirect(line: string): Redirect | undefined {
  if (!URL.canParse(line)) return undefined;
  const { searchParams } = new URL(line);
  const read = (name: string) => searchParams.get(name) ?? undefined;
  return { code: read('code'), state: read('state'), error: read('error') };
}

/** Whether what listens on our port is a daemon with our client secret, and with our logins. */
async function probeHere({ listen, callback, directories, withings }: WithingsConfig): Promise<Probe> {
  const url = localCallbackUrl({ ...listen, ...callback });
  return await probeCallback(url, createProof(withings.credentials.clientSecret), resolve(directories.tokens));
}

/** Who is linked and does not need to link again. */
async function listWorking({ tokens, personStates }: Core): Promise<ReadonlySet<UserId>> {
  const working = new Set<UserId>();
  for (const userId of await tokens.list())
    if ((await personStates.of(userId)).needsLogin === undefined) working.add(userId);
  return working;
}

/** The person that this link has linked, if any. */
async function linkedBy(core: Core, id: string): Promise<UserId | undefined> {
  for (const userId of await core.tokens.list())
    if ((await core.personStates.of(userId)).linkedBy === id) return userId;
  return undefined;
}

function say(shell: Shell, outcome: LinkOutcome, people: People): void {
  if (outcome.kind === 'failed') shell.say(`${outcome.problem} ${outcome.remedy}`);
  else if (outcome.kind === 'already') shell.say(`${nameOf(outcome.userId, people)} is linked already.`);
  else shell.say(describe(outcome, people));
}

function describe({ userId, again, switchLink, lastWeighIn, hitches, isDaemon }: Linked, people: People): string {
  const lines = [`${nameOf(userId, people)} is linked${again ? ' again' : ''}.`];
  if (lastWeighIn !== undefined) {
    const { kilograms, takenAt } = lastWeighIn;
    lines.push(`Last weigh-in: ${formatWeight(kilograms, people.unit)}, ${formatTime(takenAt, undefined)}`);
  }
  lines.push(...hitches);
  if (!isDaemon) lines.push('Start weighbridge now ("weighbridge serve"): Withings calls only what runs.');
  if (switchLink !== undefined) lines.push(offerSwitch(userId, people, switchLink));
  return lines.join('\n');
}

/** The browser was still logged in at Withings, perhaps as the wrong person. The link stands alone, to be copied. */
function offerSwitch(userId: UserId, people: People, link: URL): string {
  const name = people.names.get(userId) ?? nameOf(userId, people);
  return `${name} was linked already. To link another person, log out at Withings first, or use a private window.
While weighbridge is running, this link logs out and asks for the next person:
${link.href}`;
}

function forever(): Promise<void> {
  return new Promise(() => undefined);
}
