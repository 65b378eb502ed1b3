import type { Delivery } from '../../domain/publisher.ts';
import type { Reading } from '../../domain/reading.ts';

/** A household has a few weigh-ins an hour; older ones are no longer fresh. */
const MOST = 20;

/** Whether Home Assistant receives events, and the weigh-ins that it missed. */
export function createMissed() {
  let isUp = true;
  let isHearing = true;
  const missed = new Map<string, Delivery>();

  return {
    /** Home Assistant stopped. */
    left() {
      isUp = false;
      isHearing = false;
    },
    /** Home Assistant started. It subscribes to events after it has read the discovery messages. */
    born() {
      isUp = true;
      isHearing = false;
    },
    /** The discovery messages are published again. */
    introduced() {
      isHearing = isUp;
    },
    get isHearing() {
      return isHearing;
    },
    /** Home Assistant started, and waits for the discovery messages. */
    get isWaiting() {
      return isUp && !isHearing;
    },
    /** Keeps an announced weigh-in that Home Assistant did not receive. */
    keep(delivery: Delivery) {
      if (isHearing) return;
      missed.set(keyOf(delivery.reading), delivery);
      const [oldest] = missed.keys();
      if (missed.size > MOST && oldest !== undefined) missed.delete(oldest);
    },
    /** Replaces a corrected weigh-in, and drops one that is taken back or held. So an old weight is not sent again. */
    change(delivery: Delivery) {
      const key = keyOf(delivery.reading);
      if (!missed.has(key)) return;
      if (delivery.kind === 'correction') missed.set(key, delivery);
      else if (delivery.kind === 'withdrawn' || delivery.kind === 'held') missed.delete(key);
    },
    list: (): readonly Delivery[] => [...missed.values()],
    has: (delivery: Delivery): boolean => missed.get(keyOf(delivery.reading)) === delivery,
    over: (delivery: Delivery): boolean => missed.delete(keyOf(delivery.reading)),
  };
}

function keyOf({ userId, groupId }: Reading): string {
  return `${userId} ${groupId}`;
}
