import { BED_KINDS, type BedEvent, type BedEvents, bedKey, describeBed } from '../../domain/bed.ts';
import { type Clock, formatTime, LOCAL_ZONE } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import type { Notification } from '../../domain/notification.ts';
import { retry } from '../../domain/retry.ts';
import { createThrottle } from '../../domain/throttle.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, explain, passes, type Trouble } from '../../domain/trouble.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Withings notifies within 2 minutes mostly, and tries twice more in the next 12. An hour later it is not news. */
const LONGEST_AGO_MS = 10 * MINUTE_MS;
/** Clocks differ. A date far ahead would hide all events until then. */
const LONGEST_AHEAD_MS = 2 * MINUTE_MS;
/** A restless night has a few events an hour. */
const MOST_AN_HOUR = 20;
const BACKOFF = { firstMs: 1_000, longestMs: 10 * MINUTE_MS };

/**
 * Keeps a notification about a linked person, if it can be news. Only the log uses the caller.
 *
 * @returns true if weighbridge is done with it; false if Withings must send it again
 */
export type BedIntake = (notification: Notification, caller: string) => Promise<boolean>;

/**
 * Keeps who is in bed. Nothing signs these notifications and nothing can be fetched to compare them with. So one counts
 * only with a secret in the callback URL and a current date, once, and few count an hour.
 *
 * @param ports.hasSecret the callback URL contains a secret that a stranger cannot guess
 */
export function createBedIntake(ports: {
  readonly beds: BedEvents;
  readonly hasSecret: boolean;
  readonly people: People;
  readonly clock: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random: () => number;
  readonly log: Log;
  readonly signal: AbortSignal;
}): BedIntake {
  const { beds, hasSecret, people, clock, random, log, signal } = ports;
  const inTurn = createKeyedMutex();
  const throttle = createThrottle(clock, HOUR_MS, Number.POSITIVE_INFINITY);
  /** The arrival times of the last hour's events. */
  const taken = new Map<UserId, readonly number[]>();
  /** Each person's newest event on its way to the disk, and whether it arrives. */
  const pending = new Map<UserId, { readonly event: BedEvent; readonly kept: Promise<boolean> }>();

  /** @returns true: a repeated notification would not count either */
  const refuse = (userId: UserId, why: string, caller: string): true => {
    if (!throttle(`${userId} ${why}`)) return true;
    const text = `${nameOf(userId, people)}: ignored a bed notification: ${why} (from ${caller})`;
    log.warn({ event: 'bed_refused', text, userid: userId, caller });
    return true;
  };

  const isTooMany = (userId: UserId): boolean => {
    const nowMs = clock.elapsedMs();
    const recent = (taken.get(userId) ?? []).filter((atMs) => nowMs - atMs < HOUR_MS);
    const isFull = recent.length >= MOST_AN_HOUR;
    taken.set(userId, isFull ? recent : [...recent, nowMs]);
    return isFull;
  };

  /** While the disk stays full, only each person's newest event waits for space. */
  const keep = async (event: BedEvent) => {
    const { userId } = event;
    let reported = '';
    await retry(() => beds.append(event), {
      clock,
      random,
      signal,
      backoff: BACKOFF,
      isWorth: (trouble) => passes(trouble) && pending.get(userId)?.event === event,
      onWait(trouble: Trouble) {
        if (trouble.code !== reported) log.warn({ event: 'trouble', text: explain(trouble), code: trouble.code });
        reported = trouble.code;
      },
    });
    const what = `${nameOf(userId, people)}: ${describeBed(event)} since ${formatTime(event.at, LOCAL_ZONE)}`;
    log.info({ event: event.kind, text: what, userid: userId, date: formatTime(event.at, LOCAL_ZONE) });
  };

  /** The event in the notification, or why it cannot be news. */
  const judge = ({ userId, appli, at, deviceId }: Notification): BedEvent | string => {
    const kind = BED_KINDS.get(appli);
    if (!hasSecret) return 'the callback URL has no secret, so anyone can send it';
    if (kind === undefined || at === undefined) return 'it has no date';
    const agoMs = clock.now().getTime() - at.getTime();
    if (agoMs > LONGEST_AGO_MS || agoMs < -LONGEST_AHEAD_MS) return 'its date is not of the last minutes';
    return { userId, kind, at, deviceId };
  };

  const write = async (event: BedEvent): Promise<boolean> => {
    const { userId } = event;
    try {
      await inTurn(userId, async () => {
        if (!beds.has(event)) await keep(event);
      });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const text = `${nameOf(userId, people)}: cannot store a bed event: ${explain(asTrouble(error))}`;
      log.warn({ event: 'trouble', text, userid: userId });
      return false;
    } finally {
      if (pending.get(userId)?.event === event) pending.delete(userId);
    }
  };

  const queue = (event: BedEvent): Promise<boolean> => {
    const { userId } = event;
    const newest = pending.get(userId)?.event;
    const kept = write(event);
    if (newest === undefined || newest.at <= event.at) pending.set(userId, { event, kept });
    return kept;
  };

  return async (notification, caller) => {
    const { userId } = notification;
    const event = judge(notification);
    if (typeof event === 'string') return refuse(userId, event, caller);
    const waiting = pending.get(userId);
    if (waiting !== undefined && bedKey(waiting.event) === bedKey(event)) return await waiting.kept;
    if (beds.has(event)) return true;
    if (isTooMany(userId)) return refuse(userId, `more than ${MOST_AN_HOUR} came within an hour`, caller);
    return await queue(event);
  };
}
