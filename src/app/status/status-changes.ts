import type { Clock } from '../../domain/clock.ts';
import type { JournalFeed } from '../../domain/publisher.ts';
import type { Status } from '../../domain/status.ts';
import type { LiveStatus } from './live-status.ts';

/** How often to look for what changes without a sign: a file, a trouble, what another process does. */
const LOOK_MS = 5_000;
/** One weigh-in is up to four groups; they are told of together. */
const SETTLE_MS = 200;
/**
 * What differs from look to look without meaning anything: ages, times that are calculated from them, and the texts of
 * troubles, which have such times in them. The code says which trouble it is.
 */
const FLOWING: ReadonlySet<string> = new Set(['agoMs', 'uptimeMs', 'at', 'since', 'startedAt', 'text']);

/** Tells those who watch when what there is to see has changed. Without watchers it does nothing. */
export interface StatusChanges {
  watch(onChange: () => void): Disposable;
}

/** @param ports.lookForMore takes in what other processes have appended to the journal */
export function createStatusChanges(ports: {
  readonly liveStatus: Pick<LiveStatus, 'look' | 'onChange'>;
  readonly lookForMore: () => Promise<void>;
  /** What else there is to see, as something to be compared. */
  readonly examine: () => Promise<unknown>;
  readonly feed: Pick<JournalFeed, 'onGrowth'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): StatusChanges {
  const { liveStatus, lookForMore, examine, feed, clock, signal } = ports;
  const watchers = new Set<() => void>();
  let isSettling = false;
  let isLooking = false;
  let known: string | undefined;

  // What cannot be examined is told of where the page is drawn.
  const see = async () => fingerprint(await liveStatus.look()) + JSON.stringify(await examine().catch(() => undefined));

  const settle = async () => {
    isSettling = true;
    await clock.sleep(SETTLE_MS, signal);
    // What is told of now is no news at the next look.
    known = await see();
    isSettling = false;
    for (const onChange of watchers) onChange();
  };
  const tell = () => {
    if (watchers.size > 0 && !isSettling) void settle();
  };

  const lookWhileWatched = async () => {
    isLooking = true;
    using _growth = feed.onGrowth(tell);
    using _signs = liveStatus.onChange(tell);
    known = undefined;
    while (watchers.size > 0 && !signal.aborted) {
      const found = await see();
      if (known !== undefined && found !== known) tell();
      known = found;
      await clock.sleep(LOOK_MS, signal);
      // What is wrong with the journal is told of where it is written to.
      await lookForMore().catch(() => undefined);
    }
    isLooking = false;
  };

  return {
    watch(onChange) {
      watchers.add(onChange);
      if (!isLooking) void lookWhileWatched();
      return { [Symbol.dispose]: () => void watchers.delete(onChange) };
    },
  };
}

function fingerprint(liveStatus: Status): string {
  return JSON.stringify(liveStatus, (key, value) => (FLOWING.has(key) ? undefined : value));
}
