import pLimit from 'p-limit';
import { type BedEvents, currentBed } from '../../domain/bed.ts';
import { type Clock, within } from '../../domain/clock.ts';
import type { Derive } from '../../domain/derived.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { UnreadableStore } from '../../domain/measure.ts';
import type { Journal } from '../../domain/reading.ts';
import {
  CALLBACK_UNREACHABLE,
  type LoginState,
  type Moment,
  type PersonState,
  type PersonStatus,
  type PublisherStatus,
  recentlyHeld,
  type Status,
  type TroubleStatus,
} from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, explain, passes, Trouble } from '../../domain/trouble.ts';
import type { Schedule } from '../collect/schedule.ts';
import { dropUnlinked, type LinkedUsers } from '../tokens/linked-users.ts';
import { describeSubscription, type StoredStatus } from './stored-status.ts';
import type { CurrentTrouble, PublisherTroubles, Troubles } from './troubles.ts';

/** How long the list of linked people is reused. */
const LOOK_AGAIN_MS = 5_000;
/** How long a look waits for the files. A hanging disk must not block a status request. */
const LOOK_WAIT_MS = 5_000;
/** The most people whose files are read at the same time. */
const AT_ONCE = 16;
/** Trouble that may pass counts as lasting after this. By then there were five tries. */
const LASTING_MS = 15 * 60_000;
/** After so many intervals without contact, a person should look. */
const SILENT_INTERVALS = 2;
/** The least silence to report: with a short interval, a short outage does not count. */
const SILENT_MS = 3_600_000;

/**
 * The current state of each person in the daemon. It reads a person's files at first sight. It reads them again if an
 * earlier process noted a refused login, which may be replaced. Later events are reported here and remembered.
 */
export interface LiveStatus {
  /** Withings sent a notification about a user, linked or not. */
  notified(userId: UserId): void;
  /** A fetch succeeded. */
  contacted(userId: UserId): void;
  look(): Promise<Status>;
  /** Calls `wake` at each of these events, until it is disposed. */
  onChange(wake: () => void): Disposable;
}

/** A publisher's state, from its outbox and its troubles. */
export interface PublisherSource {
  readonly name: string;
  readonly troubles: Pick<PublisherTroubles, 'current' | 'contact'>;
  /** Undefined until its offset in the journal is read. */
  readonly behindBytes: number | undefined;
}

interface Seen {
  /** The time of the first look, by `clock.elapsedMs()`. */
  readonly sinceMs: number;
  readonly stored: StoredStatus;
}

export function createLiveStatus(ports: {
  readonly linkedUsers: LinkedUsers;
  readonly readStoredStatus: (userId: UserId) => Promise<StoredStatus>;
  /** A person's state as this process last read or changed it. */
  readonly remembered: (userId: UserId) => PersonState | undefined;
  readonly troubles: readonly Pick<Troubles, 'current'>[];
  /** The configured publishers. */
  readonly publishers: () => readonly PublisherSource[];
  readonly journal: Pick<Journal, 'lastWeighIn' | 'heldOf'>;
  readonly unreadable: Pick<UnreadableStore, 'countOf'>;
  readonly derive: Derive;
  /** Undefined if `APPLIS` has no bed category. */
  readonly beds?: Pick<BedEvents, 'newest'> | undefined;
  readonly people: People;
  readonly schedule: Pick<Schedule, 'isPolled' | 'intervalMs' | 'hasCallback' | 'pollMs'>;
  readonly clock: Clock;
}): LiveStatus {
  const { linkedUsers, readStoredStatus, remembered, journal, unreadable, derive, beds, people, schedule, clock } =
    ports;
  const startedMs = clock.elapsedMs();
  const fileLimit = pLimit(AT_ONCE);
  /** The last notification of each linked person, by `clock.elapsedMs()`. */
  const notifiedMs = new Map<UserId, number>();
  const contactedMs = new Map<UserId, number>();
  let seen: ReadonlyMap<UserId, Seen> = new Map();
  let blind: CurrentTrouble | undefined;
  let lookedMs = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const wake of listeners) wake();
  };

  const isSure = (userId: UserId, { login }: StoredStatus) =>
    login.state === 'works' || login.state === 'not_tried' || contactedMs.has(userId);

  /** The linked people, with the content of their files unless memory is newer. */
  const see = async (): Promise<ReadonlyMap<UserId, Seen>> => {
    const users = [...(await linkedUsers.refresh())].sort((one, other) => Number(one) - Number(other));
    const found = await fileLimit.map(users, async (userId): Promise<[UserId, Seen]> => {
      const known = seen.get(userId);
      if (known !== undefined && isSure(userId, known.stored)) return [userId, known];
      const sinceMs = known?.sinceMs ?? clock.elapsedMs();
      return [userId, { sinceMs, stored: await readStoredStatus(userId) }];
    });
    return new Map(found);
  };

  const refresh = async () => {
    try {
      seen = await see();
      blind = undefined;
      for (const times of [notifiedMs, contactedMs]) dropUnlinked(times, linkedUsers);
    } catch (error) {
      const trouble = asTrouble(error);
      blind ??= { userId: undefined, trouble, text: explain(trouble), sinceMs: clock.elapsedMs() };
    }
    lookedMs = clock.elapsedMs();
  };

  const isInTime = async (work: Promise<void>): Promise<boolean> =>
    (await within(
      work.then(() => true),
      LOOK_WAIT_MS,
      clock,
    )) === true;

  const ago = (agoMs: number): Moment => ({ at: new Date(clock.now().getTime() - agoMs), agoMs });
  const momentOf = (atMs: number | undefined) => (atMs === undefined ? undefined : ago(clock.elapsedMs() - atMs));
  const ageMs = (at: Date) => Math.max(0, clock.now().getTime() - at.getTime());

  /** Events in this process outweigh the files. */
  const loginOf = (userId: UserId, { needsLogin }: PersonState, isRefused: boolean): LoginState | undefined => {
    if (needsLogin !== undefined && isRefused) return { state: 'needs_login', ...needsLogin };
    return needsLogin === undefined && contactedMs.has(userId) ? { state: 'works' } : undefined;
  };

  const describePerson = (userId: UserId, { stored }: Seen, isRefused: boolean): PersonStatus => {
    const person = remembered(userId) ?? stored.person;
    const { lastContact: at } = stored;
    const lastWeighIn = journal.lastWeighIn(userId);
    return {
      userId,
      name: people.names.get(userId),
      login: loginOf(userId, person, isRefused) ?? stored.login,
      lastNotification: momentOf(notifiedMs.get(userId)),
      lastContact: momentOf(contactedMs.get(userId)) ?? (at && { at, agoMs: ageMs(at) }),
      lastWeighIn: lastWeighIn && { ...lastWeighIn, agoMs: ageMs(lastWeighIn.takenAt) },
      derived: derive(userId, person),
      held: recentlyHeld(journal.heldOf(userId), clock.now()),
      unreadable: unreadable.countOf(userId),
      subscription: describeSubscription(person, schedule),
      scales: person.scales,
      bed: currentBed(beds?.newest(userId), person.linkedAt),
    };
  };

  /** The silence counts for any reason, even without a known trouble. */
  const silenceOf = ({ userId, login, lastContact }: PersonStatus): TroubleStatus[] => {
    const { at: since, agoMs } = lastContact ?? ago(clock.elapsedMs() - (seen.get(userId)?.sinceMs ?? startedMs));
    const limitMs = Math.max(SILENT_INTERVALS * schedule.intervalMs(userId), schedule.isPolled(userId) ? SILENT_MS : 0);
    if (agoMs <= limitMs || login.state === 'needs_login') return [];
    const text = `${nameOf(userId, people)}: no successful check for ${Math.floor(agoMs / 3_600_000)} h. See the log.`;
    return [{ userId, code: 'no_contact', text, since, isLasting: true }];
  };

  const describeTrouble = ({ userId, trouble, text, sinceMs }: CurrentTrouble): TroubleStatus => {
    const { at: since, agoMs } = ago(clock.elapsedMs() - sinceMs);
    const mayPass = passes(trouble) || trouble.recovery === 'unlinked';
    // Polling does the work of the notifications.
    const isBypassed = trouble.code === CALLBACK_UNREACHABLE && userId !== undefined && schedule.isPolled(userId);
    const isLasting = !isBypassed && (!mayPass || agoMs >= LASTING_MS);
    return { userId, code: trouble.code, text, since, isLasting };
  };

  const describePublisher = ({ name, troubles, behindBytes }: PublisherSource): PublisherStatus => {
    const { contact } = troubles;
    const current = troubles.current();
    const [first] = current;
    return {
      name,
      state: first !== undefined ? 'trouble' : contact === undefined ? 'not_tried' : 'works',
      since: momentOf(first?.sinceMs ?? contact?.sinceMs)?.at,
      problem: current.at(-1)?.text,
      lastContact: momentOf(contact?.lastMs),
      behindBytes,
    };
  };

  /** A person who linked again need not do so, even before a fetch proves it. */
  const isRepaired = (userId: UserId, each: CurrentTrouble): boolean => {
    const linkedAt = remembered(userId)?.linkedAt;
    return isAboutLogin(each) && linkedAt !== undefined && linkedAt > ago(clock.elapsedMs() - each.sinceMs).at;
  };

  /** The troubles of linked people, each once: fetches and subscriptions may both report one. */
  const troublesOf = (current: readonly CurrentTrouble[]): CurrentTrouble[] => {
    const found = new Map<string, CurrentTrouble>();
    for (const each of current) {
      const { userId, trouble } = each;
      const isTheirs = userId === undefined ? seen.size > 0 : seen.has(userId) && !isRepaired(userId, each);
      const key = `${trouble.code} ${userId}`;
      if (isTheirs && !found.has(key)) found.set(key, each);
    }
    return [...found.values()];
  };

  return {
    notified(userId) {
      if (!linkedUsers.has(userId)) return;
      notifiedMs.set(userId, clock.elapsedMs());
      tell();
    },
    contacted(userId) {
      contactedMs.set(userId, clock.elapsedMs());
      tell();
    },
    onChange(wake) {
      listeners.add(wake);
      return { [Symbol.dispose]: () => void listeners.delete(wake) };
    },
    async look() {
      if (clock.elapsedMs() - lookedMs >= LOOK_AGAIN_MS) {
        looking ??= refresh().finally(() => {
          looking = undefined;
        });
        if (!(await isInTime(looking))) blind ??= { ...HANGING, sinceMs: clock.elapsedMs() };
      }
      const current = ports.troubles.flatMap((each) => each.current());
      const refused = new Set(current.filter(isAboutLogin).map(({ userId }) => userId));
      const persons = [...seen].map(([userId, each]) => describePerson(userId, each, refused.has(userId)));
      const publishers = ports.publishers();
      const ofPublishers = publishers.flatMap((each) => each.troubles.current());
      const told = [...(blind === undefined ? [] : [blind]), ...troublesOf(current), ...ofPublishers];
      const troubles = [...told.map(describeTrouble), ...persons.flatMap(silenceOf)];
      troubles.sort((one, other) => one.since.getTime() - other.since.getTime());
      const { at: startedAt, agoMs: uptimeMs } = ago(clock.elapsedMs() - startedMs);
      return { startedAt, uptimeMs, people: persons, publishers: publishers.map(describePublisher), troubles };
    },
  };
}

const HANGING: Pick<CurrentTrouble, 'userId' | 'trouble' | 'text'> = {
  userId: undefined,
  trouble: new Trouble('the disk does not answer', { code: 'file_hangs', recovery: 'retry' }),
  text: 'cannot read the logins: the disk does not answer. See the log.',
};

function isAboutLogin({ trouble }: CurrentTrouble): boolean {
  return trouble.recovery === 'login';
}
