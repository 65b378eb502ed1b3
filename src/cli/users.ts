import { describeSubscription, readStoredStatus } from '../app/status/stored-status.ts';
import { nameAppli } from '../app/subscribe/subscriptions.ts';
import type { Config } from '../config/config.ts';
import { bedIn, journalIn, storedStatusPorts, unreadableIn } from '../daemon/data-directory.ts';
import { BED_KINDS, type BedEvent, currentBed, describeBed } from '../domain/bed.ts';
import { formatTime, LOCAL_ZONE } from '../domain/clock.ts';
import { createDerive, type Derived } from '../domain/derived.ts';
import { formatTrend, formatWeight, tellChange, type WeightUnit } from '../domain/format.ts';
import type { TimedValue } from '../domain/history.ts';
import type { People } from '../domain/household.ts';
import type { Log } from '../domain/log.ts';
import { counts, type GroupState, type Reading, weightOf } from '../domain/reading.ts';
import { modelOf, type Scale } from '../domain/scale.ts';
import {
  describePolling,
  type LoginState,
  type Moment,
  type PersonStatus,
  recentlyHeld,
  type SubscriptionStatus,
} from '../domain/status.ts';
import type { UserId } from '../domain/token.ts';
import { encodePerson } from '../http/private/healthz.ts';
import { realClock } from '../runtime/real-clock.ts';
import { readBedFile } from '../storage/bed-file.ts';
import { openJournalReader } from '../storage/journal/reader.ts';
import { openUnreadableFile } from '../storage/unreadable-file.ts';
import { listLinked, NO_PERSON, openMessages, readSettings, sayIfNoDotenv } from './open-command.ts';
import { ExitCode, type Shell } from './shell.ts';

/**
 * Prints the linked people and the status of each, from the files: with and without a running daemon, without calls to
 * Withings, and without writing anything.
 */
export async function listUsers(shell: Shell, options: { readonly json?: boolean }): Promise<ExitCode> {
  const config = readSettings(shell, 'files');
  const persons = await readPersons(shell, config);
  if (persons.length === 0) {
    if (config.withings.credentials === undefined) sayIfNoDotenv(shell);
    shell.say(NO_PERSON);
  } else if (options.json) for (const person of persons) shell.print(JSON.stringify(encodePerson(person)));
  else for (const line of formatTable(tableOf(persons, config.people))) shell.print(line);
  return ExitCode.done;
}

async function readPersons(shell: Shell, config: Config): Promise<PersonStatus[]> {
  const { directories, callback, people, goals, pollIntervalMs } = config;
  const users = await listLinked(directories.tokens);
  const messages = openMessages(shell, config);
  const ports = storedStatusPorts(directories, messages);
  const journal = await readJournal(journalIn(directories.data));
  const unreadable = await openUnreadableFile(unreadableIn(directories.data), messages);
  const beds = await readBeds(config, messages);
  const now = realClock.now();
  const valuesOf = (userId: UserId) => journal.weights.get(userId) ?? [];
  const derive = createDerive({ histories: { valuesOf, quantitiesOf: () => [] }, people, goals, clock: realClock });
  const momentOf = (at: Date): Moment => ({ at, agoMs: Math.max(0, now.getTime() - at.getTime()) });
  const persons: PersonStatus[] = [];
  for (const userId of users.sort((one, other) => Number(one) - Number(other))) {
    const { person, login, lastContact } = await readStoredStatus(ports, userId);
    const last = valuesOf(userId).at(-1);
    const weighIn = last && { kilograms: last.value, takenAt: new Date(last.takenMs) };
    persons.push({
      userId,
      name: people.names.get(userId),
      login,
      lastNotification: undefined,
      lastContact: lastContact && momentOf(lastContact),
      lastWeighIn: weighIn && { ...weighIn, agoMs: momentOf(weighIn.takenAt).agoMs },
      derived: derive(userId, person),
      held: recentlyHeld(journal.held.get(userId) ?? [], now),
      unreadable: unreadable.countOf(userId),
      subscription: describeSubscription(person, { hasCallback: callback.url !== undefined, pollMs: pollIntervalMs }),
      scales: person.scales,
      bed: currentBed(beds.get(userId), person.linkedAt),
    });
  }
  return persons;
}

/** Each person's newest bed event, if `APPLIS` has a bed category. */
async function readBeds({ directories, withings }: Config, log: Log): Promise<ReadonlyMap<UserId, BedEvent>> {
  if (!withings.applis.some((appli) => BED_KINDS.has(appli))) return new Map();
  const path = bedIn(directories.data);
  const found = await readBedFile(path).catch((error: unknown) => {
    log.warn({ event: 'trouble', text: error instanceof Error ? error.message : `cannot read ${path}` });
  });
  return found?.newest ?? new Map();
}

/** From the last line of each group: each person's counting weights, by time, and the held readings. */
async function readJournal(path: string): Promise<{
  readonly weights: ReadonlyMap<UserId, readonly TimedValue[]>;
  readonly held: ReadonlyMap<UserId, readonly GroupState[]>;
}> {
  const weights = new Map<UserId, (TimedValue & { readonly at: number })[]>();
  const held = new Map<UserId, GroupState[]>();
  const journal = await openJournalReader(path);
  for (const { reading, at } of journal?.read({}) ?? []) {
    const { userId, takenAt } = reading;
    const value = weightOf(reading);
    if (value !== undefined && counts(reading)) {
      const theirs = weights.get(userId) ?? [];
      theirs.push({ takenMs: takenAt.getTime(), value, at });
      weights.set(userId, theirs);
    }
    if (reading.held !== undefined) held.set(userId, [...(held.get(userId) ?? []), stateOf(reading)]);
  }
  // Of several weights of one moment the last line counts last, as in the histories of the daemon.
  for (const theirs of weights.values()) theirs.sort((one, other) => one.takenMs - other.takenMs || one.at - other.at);
  return { weights, held };
}

function stateOf(reading: Reading): GroupState {
  const { groupId, takenAt, held, withdrawn } = reading;
  return { groupId, takenAt, weight: weightOf(reading), counts: counts(reading), held, withdrawn };
}

interface Column {
  readonly heading: string;
  readonly cell: (person: PersonStatus) => string;
  /** The column is omitted if it is empty for everyone. */
  readonly isRare?: boolean;
}

const NOTHING = '-';

function tableOf(persons: readonly PersonStatus[], { unit }: People): readonly (readonly string[])[] {
  const weigh = (kilograms: number, takenAt: Date) => `${formatWeight(kilograms, unit)}, ${formatMinute(takenAt)}`;
  const describeHeld = ({ held }: PersonStatus) => {
    const newest = held.at(-1);
    if (newest === undefined) return NOTHING;
    const { weight, takenAt } = newest;
    const more = held.length === 1 ? '' : ` (and ${held.length - 1} more)`;
    return (weight === undefined ? formatMinute(takenAt) : weigh(weight, takenAt)) + more;
  };
  const columns: readonly Column[] = [
    { heading: 'USER', cell: ({ userId }) => userId },
    { heading: 'NAME', cell: ({ name }) => name ?? NOTHING },
    {
      heading: 'LAST WEIGH-IN',
      cell: ({ lastWeighIn: last }) => (last === undefined ? NOTHING : weigh(last.kilograms, last.takenAt)),
    },
    { heading: 'BMI', cell: ({ derived: { bmi } }) => bmi?.toFixed(1) ?? NOTHING, isRare: true },
    { heading: 'TREND', cell: ({ derived }) => describeTrend(derived, unit), isRare: true },
    { heading: 'GOAL', cell: ({ derived }) => describeGoal(derived, unit), isRare: true },
    { heading: 'HELD', cell: describeHeld, isRare: true },
    {
      heading: 'UNREADABLE',
      cell: ({ unreadable }) => (unreadable === 0 ? NOTHING : String(unreadable)),
      isRare: true,
    },
    {
      heading: 'BED',
      cell: ({ bed }) => (bed === undefined ? NOTHING : `${describeBed(bed)}, ${formatMinute(bed.at)}`),
      isRare: true,
    },
    { heading: 'SCALE', cell: ({ scales }) => scales.map(describeScale).join('; ') || NOTHING, isRare: true },
    {
      heading: 'LAST CHECK',
      cell: ({ lastContact }) => (lastContact === undefined ? NOTHING : formatMinute(lastContact.at)),
    },
    { heading: 'SUBSCRIPTION', cell: ({ subscription }) => describe(subscription) },
    { heading: 'LOGIN', cell: ({ login }) => describeLogin(login) },
  ];
  const shown = columns.filter(({ cell, isRare }) => !isRare || persons.some((person) => cell(person) !== NOTHING));
  return [shown.map(({ heading }) => heading), ...persons.map((person) => shown.map(({ cell }) => cell(person)))];
}

/** `81.2 kg, −0.35 kg per week` */
function describeTrend({ trend, perWeek = 0 }: Derived, unit: WeightUnit): string {
  return trend === undefined ? NOTHING : `${formatTrend(trend, unit)}, ${tellChange(perWeek, unit)} per week`;
}

/** `78.00 kg, −3.25 kg to go` */
function describeGoal({ goal, toGoal = 0 }: Derived, unit: WeightUnit): string {
  if (goal === undefined) return NOTHING;
  return `${formatWeight(goal, unit)}, ${toGoal === 0 ? 'reached' : `${tellChange(toGoal, unit)} to go`}`;
}

/** `Body+, battery low, 2026-11-20 07:01`: the time is the scale's last contact. */
function describeScale(scale: Scale): string {
  const { battery, lastContact } = scale;
  const parts = [modelOf(scale), battery && `battery ${battery}`, lastContact && formatMinute(lastContact)];
  return parts.filter((part) => part !== undefined).join(', ');
}

function describe({ state, applis, since, reason, pollMs = 0 }: SubscriptionStatus): string {
  switch (state) {
    case 'works':
      return applis.map(nameAppli).join(', ');
    case 'lost':
      return `LOST${sinceWhen(since)} (${reason})`;
    case 'none':
      return 'not yet';
    case 'off':
      return `off (${reason})`;
    case 'polling':
      return `${describePolling(pollMs)} (${reason})`;
  }
}

function describeLogin(login: LoginState): string {
  switch (login.state) {
    case 'works':
      return 'OK';
    case 'not_tried':
      return 'not checked yet';
    case 'needs_login':
      return `MUST LINK AGAIN${sinceWhen(login.since)} (${login.reason})`;
    case 'unknown':
      return `unknown (${login.reason})`;
  }
}

function sinceWhen(since: Date | undefined): string {
  return since === undefined ? '' : ` since ${formatMinute(since)}`;
}

/** `2026-11-20 07:01`, in the time zone of this computer. */
function formatMinute(date: Date): string {
  return formatTime(date, LOCAL_ZONE).slice(0, '2026-11-20T07:01'.length).replace('T', ' ');
}

const BETWEEN = '  ';
const LETTERS = new Intl.Segmenter();

/** Lines with aligned cells. Each cell becomes one line of printable text. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => cell.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell));
  }
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - width(cell));
  return cells.map((row) => row.map(pad).join(BETWEEN).trimEnd());
}

/** The number of visible letters. */
function width(text: string): number {
  return [...LETTERS.segment(text)].length;
}
