import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { Trouble } from '../../domain/trouble.ts';
import { type CurrentTrouble, createReminders } from './reminders.ts';

/** A publisher's troubles, told once and reminded of, and whether its other side is there. They are everybody's. */
export interface PublisherTroubles {
  report(trouble: Trouble): void;
  /** The troubles of these codes. */
  over(codes: ReadonlySet<string>): void;
  /** The other side is there: it has taken a connection, or a reading. */
  contacted(): void;
  /** Those that are not over, in the order in which they began. */
  current(): readonly CurrentTrouble[];
  /** When the other side was last there, and since when it is without a trouble in between; by `clock.elapsedMs()`. */
  readonly contact: { readonly lastMs: number; readonly sinceMs: number } | undefined;
}

export function createPublisherTroubles({
  clock,
  log,
  publisher,
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly publisher: string;
}): PublisherTroubles {
  const reminders = createReminders({ clock, log });
  let contact: PublisherTroubles['contact'];
  return {
    report(trouble) {
      reminders.report(trouble.code, trouble, { userId: undefined, about: `${publisher}: `, fields: { publisher } });
    },
    over(codes) {
      const hadSome = reminders.current().length > 0;
      reminders.over((code) => codes.has(code));
      const isRepaired = hadSome && reminders.current().length === 0;
      if (isRepaired && contact !== undefined) contact = { ...contact, sinceMs: clock.elapsedMs() };
    },
    contacted() {
      const lastMs = clock.elapsedMs();
      contact = { sinceMs: lastMs, ...contact, lastMs };
    },
    current: reminders.current,
    get contact() {
      return contact;
    },
  };
}
