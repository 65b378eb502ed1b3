import type { Clock } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Log } from '../../domain/log.ts';
import type { UserId } from '../../domain/token.ts';
import { explain, passes, type Trouble } from '../../domain/trouble.ts';
import type { PersonStates } from './person-states.ts';

/** A lasting trouble is logged again after this time: never silent, never a flood. */
const REMIND_MS = 6 * 3_600_000;

/** A trouble that is not over. */
export interface CurrentTrouble {
  /** Undefined if it concerns everyone. */
  readonly userId: UserId | undefined;
  readonly trouble: Trouble;
  /** The text of the log line. */
  readonly text: string;
  /** When the trouble began, by `clock.elapsedMs()`. */
  readonly sinceMs: number;
}

interface Told extends CurrentTrouble {
  /** The person or the publisher, in front of the line. */
  readonly about: string;
  readonly toldMs: number;
}

interface Ports {
  readonly clock: Clock;
  readonly log: Log;
}

/** Logs each trouble once, reminds of it while it lasts, and logs its end. The key identifies a trouble. */
function createTold({ clock, log }: Ports) {
  const told = new Map<string, Told>();
  return {
    report(
      key: string,
      trouble: Trouble,
      { userId, about, ...fields }: Pick<Told, 'userId' | 'about'> & Readonly<Record<string, unknown>>,
    ) {
      const nowMs = clock.elapsedMs();
      const text = about + explain(trouble);
      const before = told.get(key);
      const isNews = before === undefined || nowMs - before.toldMs >= REMIND_MS;
      if (isNews) told.set(key, { userId, trouble, text, about, sinceMs: nowMs, ...before, toldMs: nowMs });
      const event = trouble.recovery === 'login' ? 'needs_login' : 'trouble';
      const level = passes(trouble) ? 'warn' : 'error';
      log[isNews ? level : 'debug']({ event, text, code: trouble.code, ...fields });
    },
    over(isOver: (key: string, trouble: Trouble) => boolean) {
      for (const [key, { trouble, about, sinceMs }] of told) {
        if (!isOver(key, trouble)) continue;
        told.delete(key);
        const minutes = Math.round((clock.elapsedMs() - sinceMs) / 60_000);
        const was = `was: ${trouble.message}${minutes < 1 ? '' : `, for ${minutes} min`}`;
        log.info({
          event: 'recovered',
          text: `${about}${recovered(trouble, about)} again (${was})`,
          code: trouble.code,
        });
      }
    },
    current: (): readonly CurrentTrouble[] => [...told.values()],
  };
}

/** The recovery messages, by the code of the trouble. */
const RECOVERED: Readonly<Record<string, string>> = {
  unreachable: 'Withings can be reached',
  bad_answer: 'Withings answers',
  withings_error: 'Withings answers',
  throttled: 'Withings answers',
  wrong_client: 'Withings accepts the client id and the secret',
  callback_unreachable: 'Withings can reach CALLBACK_URL',
  clock_wrong: 'the clock is right',
  disk_full: 'files can be written',
  read_only: 'files can be written',
  file_hangs: 'the file system answers',
  lock_held: 'the login can be locked',
  lock_failed: 'the login can be locked',
};

/** @param about the person, or the publisher */
function recovered({ code, recovery }: Trouble, about: string): string {
  if (about === 'mqtt: ') return 'the MQTT broker works';
  if (about === 'hook: ') return 'the hook works';
  return RECOVERED[code] ?? (recovery === 'login' ? 'the login works' : 'fetching works');
}

/** The troubles of fetching for people, or of their subscriptions. */
export interface Troubles {
  report(userId: UserId, trouble: Trouble): void;
  /** Everything that this user's weigh-ins need has just worked. */
  over(userId: UserId): void;
  /** The current troubles, in the order in which they began. */
  current(): readonly CurrentTrouble[];
}

export function createTroubles({
  people,
  personStates,
  ...ports
}: Ports & {
  readonly people: People;
  /** Keeps the note of a login that no longer works after this process ends. */
  readonly personStates?: Pick<PersonStates, 'change'>;
}): Troubles {
  const told = createTold(ports);

  const noteLogin = (userId: UserId, reason: string | undefined) =>
    void personStates?.change(userId, (before) => {
      const since = before.needsLogin?.since ?? ports.clock.now();
      return { ...before, needsLogin: reason === undefined ? undefined : { since, reason } };
    });

  return {
    report(userId, trouble) {
      if (trouble.recovery === 'login') noteLogin(userId, trouble.message);
      const whom = concernsEveryone(trouble)
        ? { userId: undefined, about: '' }
        : { userId, about: `${nameOf(userId, people)}: ` };
      told.report(keyOf(userId, trouble), trouble, { ...whom, userid: userId });
    },
    over(userId) {
      noteLogin(userId, undefined);
      told.over((key, trouble) => key === keyOf(userId, trouble));
    },
    current: told.current,
  };
}

const EVERYONES: ReadonlySet<string> = new Set([
  'unreachable',
  'bad_answer',
  'throttled',
  'wrong_client',
  'clock_wrong',
  'disk_full',
  'read_only',
]);

/** An outage or a full disk concerns everyone and is not logged for each person. A login concerns one person. */
export function concernsEveryone({ code }: Trouble): boolean {
  return EVERYONES.has(code);
}

function keyOf(userId: UserId, trouble: Trouble): string {
  return concernsEveryone(trouble) ? trouble.code : `${trouble.code} ${userId}`;
}

/** A publisher's troubles, which concern everyone, and whether its other side is reachable. */
export interface PublisherTroubles {
  report(trouble: Trouble): void;
  /** The troubles with these codes are over. */
  over(codes: ReadonlySet<string>): void;
  /** The other side accepted a connection or a reading. */
  contacted(): void;
  /** The current troubles, in the order in which they began. */
  current(): readonly CurrentTrouble[];
  /** When the other side last responded, and since when without trouble, by `clock.elapsedMs()`. */
  readonly contact: { readonly lastMs: number; readonly sinceMs: number } | undefined;
}

export function createPublisherTroubles({
  publisher,
  ...ports
}: Ports & { readonly publisher: string }): PublisherTroubles {
  const told = createTold(ports);
  let contact: PublisherTroubles['contact'];
  return {
    report: (trouble) => told.report(trouble.code, trouble, { userId: undefined, about: `${publisher}: `, publisher }),
    over(codes) {
      const hadSome = told.current().length > 0;
      told.over((code) => codes.has(code));
      const isRepaired = hadSome && told.current().length === 0;
      if (isRepaired && contact !== undefined) contact = { ...contact, sinceMs: ports.clock.elapsedMs() };
    },
    contacted() {
      const lastMs = ports.clock.elapsedMs();
      contact = { sinceMs: lastMs, ...contact, lastMs };
    },
    current: told.current,
    get contact() {
      return contact;
    },
  };
}
