import { type Clock, formatTime } from '../../domain/clock.ts';
import { formatChange, formatWeight, listMeasures, type WeightUnit } from '../../domain/format.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Log } from '../../domain/log.ts';
import { ATTRIBUTIONS, MANUAL } from '../../domain/measure.ts';
import { counts, type JournalEntry, type Reading, weightOf } from '../../domain/reading.ts';

/** Tells of what the journal has just taken in: one line for a weigh-in, however many groups it came in. */
export function createAnnouncer(ports: {
  readonly log: Log;
  readonly clock: Clock;
  readonly people: People;
  /** A reading older than this when it arrives is marked as late. */
  readonly maxAgeMs: number;
}): (entries: readonly JournalEntry[]) => void {
  const { log, clock, people, maxAgeMs } = ports;
  const reportUnknown = createUnknownReporter(log);

  return (entries) => {
    for (const entry of entries) {
      const { reading } = entry;
      reportUnknown(reading);
      const { level, event, what } = describe(entry, people.unit);
      const late = clock.now().getTime() - reading.takenAt.getTime() > maxAgeMs;
      log[level]({
        event,
        text: [what, nameOf(reading.userId, people), measuredAt(reading), ...source(reading)].join(' '),
        userid: reading.userId,
        name: people.names.get(reading.userId),
        weight: weightOf(reading),
        previous_weight: entry.previousWeight,
        grpid: reading.groupId,
        date: formatTime(reading.takenAt, reading.timeZone),
        model: reading.model,
        ...(late ? { late } : {}),
        measures: reading.measures,
      });
    }
  };
}

function describe(entry: JournalEntry, unit: WeightUnit) {
  const { reading, previousWeight, replaces, besideWeight } = entry;
  const weight = weightOf(reading);
  if (!counts(reading)) {
    const meaning = ATTRIBUTIONS[reading.attribution]?.meaning;
    return { level: 'info', event: 'held', what: `held ${listMeasures(reading, unit)} (${meaning})` } as const;
  }
  const told = replaces?.counted === true;
  if (weight === undefined) {
    const level = told || besideWeight ? 'debug' : 'info';
    return { level, event: 'reading', what: `reading ${listMeasures(reading, unit)}` } as const;
  }
  if (told) {
    const same = replaces.weight === weight;
    const before = replaces.weight === undefined ? '' : ` (was ${formatWeight(replaces.weight, unit)})`;
    const what = `corrected weight ${formatWeight(weight, unit)}${before}`;
    return { level: same ? 'debug' : 'info', event: 'corrected', what } as const;
  }
  const change = previousWeight === undefined ? '' : ` (${formatChange(weight - previousWeight, unit)})`;
  return { level: 'info', event: 'reading', what: `weight ${formatWeight(weight, unit)}${change}` } as const;
}

function measuredAt(reading: Reading): string {
  return `measured ${formatTime(reading.takenAt, reading.timeZone)}`;
}

function source(reading: Reading): string[] {
  if (reading.model !== undefined) return [reading.model];
  return reading.attribution === MANUAL ? ['entered by hand'] : [];
}

/** Withings adds numbers without notice. Each one that is not described here is journalled as it came and told once. */
function createUnknownReporter(log: Log): (reading: Reading) => void {
  const told = new Set<string>();
  const tell = (what: string) => {
    if (told.has(what)) return;
    told.add(what);
    log.info({ event: 'unknown', text: `Withings sent ${what}, which has no name yet; it is kept as it came` });
  };
  return (reading) => {
    for (const key of Object.keys(reading.measures)) if (key.startsWith('type_')) tell(`measure ${key}`);
    if (ATTRIBUTIONS[reading.attribution] === undefined) tell(`attribution ${reading.attribution}`);
    if (reading.model?.startsWith('model_') === true) tell(`device ${reading.model}`);
  };
}
