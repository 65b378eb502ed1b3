import { type Clock, formatTime } from '../../domain/clock.ts';
import { formatChange, formatWeight, listMeasures } from '../../domain/format.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Log } from '../../domain/log.ts';
import { ATTRIBUTIONS, MANUAL } from '../../domain/measure.ts';
import {
  combine,
  counts,
  type HeldReason,
  isSameWeighIn,
  type JournalEntry,
  type Reading,
  type WithdrawnReason,
  weightOf,
} from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';

/** The content of one log line: the parts of one weigh-in from one append, at least one. */
type Told = readonly [JournalEntry, ...JournalEntry[]];

/** Logs what the journal has just added: one line for a weigh-in, however many groups it has. */
export function createAnnouncer(ports: {
  readonly log: Log;
  readonly clock: Clock;
  readonly people: People;
  /** A reading of this person that arrives older than this is marked as late. */
  readonly maxAgeMs: (userId: UserId) => number;
}): (entries: readonly JournalEntry[]) => void {
  const { log, clock, people, maxAgeMs } = ports;
  const reportUnknown = createUnknownReporter(log);

  return (entries) => {
    for (const { reading } of entries) reportUnknown(reading);
    for (const told of putTogether(entries)) {
      const [first, ...others] = told;
      const reading = combine([first.reading, ...others.map((other) => other.reading)]);
      const main = told.find((part) => part.reading.groupId === reading.groupId) ?? first;
      const { level, event, what, why, ...fields } = describe({ ...main, reading }, told, people);
      const late = clock.now().getTime() - reading.takenAt.getTime() > maxAgeMs(reading.userId);
      const words = [what, measuredAt(reading), ...source(reading)].filter((word) => word !== '').join(', ');
      log[level]({
        event,
        text: `${nameOf(reading.userId, people)}: ${words}${why === undefined ? '' : ` (${why})`}`,
        userid: reading.userId,
        name: people.names.get(reading.userId),
        weight: weightOf(reading),
        previous_weight: main.previousWeight,
        grpid: reading.groupId,
        ...(told.length > 1 && { groups: [...new Set([main, ...told].map((part) => part.reading.groupId))] }),
        date: formatTime(reading.takenAt, reading.timeZone),
        model: reading.model,
        ...(late ? { late } : {}),
        ...fields,
        measures: reading.measures,
      });
    }
  };
}

/** The counting groups of one weigh-in share one line. So do those taken back or held for the same reason. */
function putTogether(entries: readonly JournalEntry[]): readonly Told[] {
  const lines: Told[] = [];
  for (const entry of entries) {
    const at = lines.findIndex(([{ reading }]) => isSameLine(reading, entry.reading));
    const line = lines[at];
    if (line === undefined) lines.push([entry]);
    else lines[at] = [...line, entry];
  }
  return lines;
}

function isSameLine(one: Reading, other: Reading): boolean {
  const isAlike = counts(one) === counts(other) && one.held === other.held && one.withdrawn === other.withdrawn;
  return isAlike && isSameWeighIn(one, other);
}

interface Words {
  readonly level: 'info' | 'debug';
  readonly event: 'reading' | 'addition' | 'corrected' | 'held' | 'withdrawn';
  readonly what: string;
  /** The text at the end of the line. */
  readonly why?: string | undefined;
  readonly reason?: HeldReason | WithdrawnReason;
}

function describe(main: JournalEntry, told: Told, people: People): Words {
  const { reading } = main;
  if (reading.withdrawn !== undefined) return describeWithdrawn(main, reading.withdrawn, told, people);
  if (!counts(reading)) return describeHeld(main, people);
  const weight = weightOf(reading);
  if (weight === undefined) return describeOther(main, told, people);
  const { replaces, previousWeight } = main;
  const { unit } = people;
  if (replaces?.counted) {
    const same = replaces.weight === weight;
    const before = replaces.weight === undefined ? '' : ` (was ${formatWeight(replaces.weight, unit)})`;
    const what = `corrected to ${formatWeight(weight, unit)}${before}`;
    return { level: same ? 'debug' : 'info', event: 'corrected', what };
  }
  const change = previousWeight === undefined ? '' : ` (${formatChange(weight - previousWeight, unit)})`;
  return { level: 'info', event: 'reading', what: `${formatWeight(weight, unit)}${change}` };
}

/** Describes groups without a weight: a separate measurement, a later part of a logged weigh-in, or the rest of one. */
function describeOther({ reading }: JournalEntry, told: Told, { unit }: People): Words {
  const before = told.find(({ replaces }) => replaces?.counted && replaces.weight !== undefined)?.replaces;
  if (before?.weight !== undefined) {
    const what = `withdrawn ${formatWeight(before.weight, unit)}`;
    return { level: 'info', event: 'withdrawn', what, why: 'Withings removed the weight and kept the rest' };
  }
  if (told.some(({ besideWeight }) => besideWeight))
    return { level: 'debug', event: 'addition', what: `addition ${listMeasures(reading, unit)}` };
  const level = told.every(({ replaces }) => replaces?.counted) ? 'debug' : 'info';
  return { level, event: 'reading', what: listMeasures(reading, unit) };
}

function describeWithdrawn({ reading }: JournalEntry, reason: WithdrawnReason, told: Told, { unit }: People): Words {
  // An emptied group no longer has its old weight.
  const before = told.map(({ replaces }) => replaces?.weight).find((weight) => weight !== undefined);
  const weight = weightOf(reading) ?? before;
  const measures = weight === undefined ? listMeasures(reading, unit) : formatWeight(weight, unit);
  const what = `withdrawn${measures === '' ? '' : ` ${measures}`}`;
  // A reading that never counted was never logged, unless it was held.
  const isNews = told.some(({ replaces }) => replaces?.counted) || !BY_ITS_VERSION.has(reason);
  return { level: isNews ? 'info' : 'debug', event: 'withdrawn', what, why: whyWithdrawn(reading, reason), reason };
}

const BY_ITS_VERSION: ReadonlySet<WithdrawnReason> = new Set<WithdrawnReason>(['emptied', 'ambiguous']);

function whyWithdrawn({ attribution }: Reading, reason: WithdrawnReason): string {
  switch (reason) {
    case 'emptied':
      return 'Withings emptied it';
    case 'ambiguous':
      return `Withings changed it to ${ATTRIBUTIONS[attribution]?.meaning ?? 'ambiguous'}`;
    case 'moved':
      return 'Withings assigned it to another person';
    case 'deleted':
      return 'Withings deleted it';
    case 'forgotten':
      return 'with "weighbridge forget"';
  }
}

function describeHeld({ reading, previousWeight, replaces }: JournalEntry, { unit }: People): Words {
  const reason = reading.held ?? 'ambiguous';
  const weight = weightOf(reading);
  const isJump = reason === 'jump' && weight !== undefined && previousWeight !== undefined;
  const change = isJump ? ` (${formatChange(weight - previousWeight, unit)})` : '';
  const before =
    replaces?.counted && replaces.weight !== undefined
      ? `; the earlier value ${formatWeight(replaces.weight, unit)} no longer counts`
      : '';
  const what = `held ${listMeasures(reading, unit)}${change}`;
  return { level: 'info', event: 'held', what, why: `${whyHeld(reading, previousWeight)}${before}`, reason };
}

function whyHeld(reading: Reading, previousWeight: number | undefined): string {
  switch (reading.held) {
    case 'future':
      return "dated ahead of this computer's clock";
    case 'impossible':
      return 'no scale can measure that';
    case 'jump': {
      const release = 'a second similar weigh-in within a week releases both';
      const weight = weightOf(reading);
      if (weight === undefined || previousWeight === undefined) return `too far from the other weights: ${release}`;
      const percent = Math.round((Math.abs(weight - previousWeight) / previousWeight) * 100);
      return `${percent} % ${weight < previousWeight ? 'below' : 'above'} the previous weight: ${release}`;
    }
    case undefined:
      return ATTRIBUTIONS[reading.attribution]?.meaning ?? 'ambiguous';
  }
}

function measuredAt(reading: Reading): string {
  return `measured ${formatTime(reading.takenAt, reading.timeZone)}`;
}

function source(reading: Reading): string[] {
  if (reading.model !== undefined) return [reading.model];
  return reading.attribution === MANUAL ? ['entered by hand'] : [];
}

/** More than Withings ever added. The journal keeps further numbers as well, but the log does not report them. */
const MOST_UNKNOWN = 200;
/** The most numbers that one line names. */
const MOST_NAMED = 5;

/** Withings adds numbers without notice. The journal keeps each one. A log line reports the new ones. */
function createUnknownReporter(log: Log): (reading: Reading) => void {
  const told = new Set<string>();
  return (reading) => {
    const { measures, attribution, model } = reading;
    const types = Object.keys(measures).filter((key) => key.startsWith('type_'));
    const found = types.map((key) => `measure ${key}`);
    if (ATTRIBUTIONS[attribution] === undefined) found.push(`attribution ${attribution}`);
    if (model?.startsWith('model_') === true) found.push(`device ${model}`);
    const news = found.filter((what) => !told.has(what));
    if (news.length === 0 || told.size >= MOST_UNKNOWN) return;
    for (const what of news.slice(0, MOST_UNKNOWN)) told.add(what);
    const left = news.length - MOST_NAMED;
    const what = `${news.slice(0, MOST_NAMED).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
    const text = `Withings sent something unknown: ${what}. The journal keeps it unchanged.`;
    log.info({ event: 'unknown', text });
  };
}
