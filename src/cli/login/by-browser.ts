import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Core } from '../../daemon/core.ts';
import { nameOf } from '../../domain/household.ts';
import type { LinkOutcome } from '../../domain/link.ts';
import type { UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import { listen } from '../../http/listen.ts';
import { createProof } from '../../http/probe.ts';
import { createPublicApp } from '../../http/public/app.ts';
import { realClock } from '../../runtime/real-clock.ts';
import { findDaemon } from './find-daemon.ts';
import { type LinkedPerson, type Linking, openLinker } from './linking.ts';
import { describeSwitch, sayOutcome } from './words.ts';

/** How often to check whether a running daemon has linked the person, and still runs. */
const LOOK_MS = 1_000;
/** The number of checks to wait for a browser that reloads after 3 s. */
const MOST_LOOKS = 15;

/**
 * Serves the callback, or leaves that to a running daemon or another login. These may start and stop meanwhile.
 *
 * @returns undefined if the patience ended first
 */
export async function linkByBrowser(linking: Linking): Promise<LinkedPerson | undefined> {
  const announce = createAnnounce(linking);
  while (!linking.patience.aborted) {
    const answer = (await isDaemonHere(linking)) ? besideDaemon : withoutDaemon;
    const linked = await answer(linking, announce);
    if (linked !== undefined) return linked;
  }
  return undefined;
}

type Announce = (answering: 'daemon' | 'login') => Promise<void>;

/** Shows the link as soon as the browser gets an answer, and prints which process answers. */
function createAnnounce({ shell, show }: Linking): Announce {
  let before: 'daemon' | 'login' | undefined;
  return async (answering) => {
    if (answering === 'daemon' && before !== 'daemon')
      shell.say('weighbridge is already running, and will handle the browser.');
    if (answering === 'login' && before === 'daemon')
      shell.say('The running weighbridge stopped. This command handles the browser now.');
    if (before === undefined) await show();
    before = answering;
  };
}

/** A running daemon answers the browser: waits for its note, as long as it runs. */
async function besideDaemon(linking: Linking, announce: Announce): Promise<LinkedPerson | undefined> {
  const { shell, core, config, callback, subscribe, id, patience } = linking;
  const working = await listWorking(core);
  await announce('daemon');
  while (!patience.aborted) {
    const userId = await linkedBy(core, id);
    if (userId !== undefined) {
      shell.say(`${nameOf(userId, config.people)} is linked. The page in the browser has the details.`);
      const again = working.has(userId);
      if (again) shell.say(describeSwitch(userId, config.people, callback.consent.switchAccount({ subscribe })));
      return { userId, again, isDaemon: true };
    }
    await realClock.sleep(LOOK_MS, patience);
    if (!(await isDaemonHere(linking))) return undefined;
  }
  return undefined;
}

/** Without a daemon, this process answers the browser until the person with this link is linked. */
async function withoutDaemon(linking: Linking, announce: Announce): Promise<LinkedPerson | undefined> {
  const { shell, config, id, patience, log } = linking;
  const done = new AbortController();
  let linked: LinkedPerson | undefined;
  let isAwaited = false;
  const onOutcome = (whose: string, outcome: LinkOutcome) => {
    sayOutcome(shell, outcome, config.people);
    if (whose !== id || outcome.kind !== 'linked') return;
    linked = outcome;
    done.abort();
  };
  await using linker = await openLinker(linking, onOutcome);
  const { credentials } = config.withings;
  const app = createPublicApp({
    path: config.callback.path,
    query: config.callback.query,
    trustProxy: config.listen.trustProxy,
    // The daemon fetches measures when it starts, and Withings sends bed events again.
    onNotification: () => Promise.resolve(false),
    async onRedirect(redirect, browserPatience) {
      const outcome = await linker.link(redirect, browserPatience);
      isAwaited = outcome === 'working';
      return outcome;
    },
    prove: createProof(credentials.clientSecret),
    directory: resolve(config.directories.tokens),
    people: config.people,
    clock: realClock,
    log,
  });
  await using listener = await listenAlone(app, linking);
  if (listener === undefined) return undefined;
  await announce('login');
  const end = AbortSignal.any([patience, done.signal]);
  if (!end.aborted) await once(end, 'abort');
  // A browser that will reload gets an answer.
  for (let looks = 0; isAwaited && looks < MOST_LOOKS && !shell.signal.aborted; looks += 1)
    await realClock.sleep(LOOK_MS, shell.signal);
  return linked;
}

/** @returns undefined if a daemon or another login listened first */
async function listenAlone(app: Parameters<typeof listen>[0], linking: Linking) {
  try {
    return await listen(app, linking.config.listen);
  } catch (error) {
    const isTaken = error instanceof Trouble && error.code === 'port_taken';
    if (isTaken && (await isDaemonHere(linking))) return undefined;
    throw error;
  }
}

/** @throws Trouble if the running daemon has other logins */
async function isDaemonHere({ config, patience }: Linking): Promise<boolean> {
  const found = await findDaemon(config, patience);
  if (found !== 'elsewhere') return found === 'here';
  const tokens = resolve(config.directories.tokens);
  throw new Trouble(`the running weighbridge uses a different TOKENS_DIR than ${tokens}`, {
    code: 'other_place',
    recovery: 'settings',
    hint: 'Run "weighbridge login" in the folder of the running weighbridge, or with its TOKENS_DIR.',
  });
}

/** The linked people who need not link again. */
async function listWorking({ tokens, personStates }: Core): Promise<ReadonlySet<UserId>> {
  const working = new Set<UserId>();
  for (const userId of await tokens.list())
    if ((await personStates.of(userId)).needsLogin === undefined) working.add(userId);
  return working;
}

/** The person that this link linked, if any. */
async function linkedBy(core: Core, id: string): Promise<UserId | undefined> {
  for (const userId of await core.tokens.list())
    if ((await core.personStates.of(userId)).linkedBy === id) return userId;
  return undefined;
}
