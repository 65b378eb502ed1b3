import type { Clock } from '../../domain/clock.ts';
import type { JournalFeed } from '../../domain/publisher.ts';
import type { Status } from '../../domain/status.ts';
import type { LiveStatus } from './live-status.ts';

/** How often to look for silent changes: a file, a trouble, the work of another process. */
const LOOK_MS = 5_000;
/** One weigh-in is up to four groups, which are sent together. */
const SETTLE_MS = 200;
/**
 * Fields that differ from look to look without a meaning: ages, times calculated from them, and the texts of troubles,
 * which contain such times. The code identifies the trouble.
 */
const FLOWING: ReadonlySet<string> = new Set(['agoMs', 'uptimeMs', 'at', 'since', 'startedAt', 'text']);

/** Notifies watchers when the status or the page changes. Without watchers it does nothing. */
export interface StatusChanges {
  watch(onChange: () => void): Disposable;
}

/** @param ports.lookForMore reads what other processes appended to the journal */
export function createStatusChanges(ports: {
  readonly liveStatus: Pick<LiveStatus, 'look' | 'onChange'>;
  readonly lookForMore: () => Promise<void>;
  /** The rest of the page, as a comparable value. */
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

  // The page itself reports what cannot be examined.
  const see = async () => fingerprint(await liveStatus.look()) + JSON.stringify(await examine().catch(() => undefined));

  const settle = async () => {
    isSettling = true;
    await clock.sleep(SETTLE_MS, signal);
    // A change that is sent now is not news at the next look.
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
      // Writing to the journal reports its troubles.
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
