import { type BedDelivery, describeBed } from '../../domain/bed.ts';
import { formatTime, LOCAL_ZONE } from '../../domain/clock.ts';
import { type Derived, derivedFields } from '../../domain/derived.ts';
import { formatChange, formatWeight, listMeasures } from '../../domain/format.ts';
import type { People } from '../../domain/household.ts';
import type { Delivery } from '../../domain/publisher.ts';
import { type Reading, readingFields, weightChange, weightOf } from '../../domain/reading.ts';

/**
 * The standard input of a hook, one line of JSON: the line of the journal, and its context.
 *
 * @param derived the current values, which differ from those at the time of an older reading
 */
export function toJson(delivery: Delivery, people: People, derived: Derived): string {
  const { kind, reading, groupIds, previousWeight, late, correction } = delivery;
  return JSON.stringify({
    ...readingFields(reading),
    kind,
    groups: groupIds,
    ...(kind === 'held' && { held: heldReason(reading) }),
    name: people.names.get(reading.userId) ?? null,
    weight: weightIn(delivery) ?? null,
    ...(kind === 'withdrawn' && { withdrawn_weight: weightOf(reading) ?? null }),
    previous_weight: previousWeight ?? null,
    change: changeIn(delivery) ?? null,
    ...derivedFields(derived),
    late,
    correction,
    text: describe(delivery, people),
  });
}

/** The main fields as environment variables. Unknown ones are not set. */
export function toVariables(delivery: Delivery, people: People, derived: Derived): Readonly<Record<string, string>> {
  const { kind, reading, late } = delivery;
  return known({
    WEIGHBRIDGE_KIND: kind,
    WEIGHBRIDGE_USERID: reading.userId,
    WEIGHBRIDGE_NAME: people.names.get(reading.userId),
    WEIGHBRIDGE_WEIGHT: weightIn(delivery),
    WEIGHBRIDGE_CHANGE: changeIn(delivery),
    WEIGHBRIDGE_BMI: derived.bmi,
    WEIGHBRIDGE_WEIGHT_TREND: derived.trend,
    WEIGHBRIDGE_WEIGHT_PER_WEEK: derived.perWeek,
    WEIGHBRIDGE_WEIGHT_GOAL: derived.goal,
    WEIGHBRIDGE_WEIGHT_TO_GOAL: derived.toGoal,
    WEIGHBRIDGE_DATE: formatTime(reading.takenAt, reading.timeZone),
    WEIGHBRIDGE_LATE: late,
    WEIGHBRIDGE_AMBIGUOUS: reading.ambiguous,
    WEIGHBRIDGE_GRPID: reading.groupId,
    WEIGHBRIDGE_TEXT: describe(delivery, people),
  });
}

function known(values: Readonly<Record<string, string | number | boolean | undefined>>) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  // A variable ends at a zero byte, and Node refuses one.
  return Object.fromEntries(given.map(([name, value]) => [name, String(value).replaceAll('\0', '')]));
}

/** The same for a bed event: `kind` is `in_bed` or `out_of_bed`. */
export function bedJson({ event, late }: BedDelivery, people: People): string {
  const { userId, kind, at, deviceId } = event;
  return JSON.stringify({
    userid: userId,
    date: formatTime(at, LOCAL_ZONE),
    timestamp: at.getTime() / 1000,
    deviceid: deviceId ?? null,
    kind,
    name: people.names.get(userId) ?? null,
    late,
    text: tellBed(event, people),
  });
}

export function bedVariables({ event, late }: BedDelivery, people: People): Readonly<Record<string, string>> {
  const { userId, kind, at } = event;
  return known({
    WEIGHBRIDGE_KIND: kind,
    WEIGHBRIDGE_USERID: userId,
    WEIGHBRIDGE_NAME: people.names.get(userId),
    WEIGHBRIDGE_DATE: formatTime(at, LOCAL_ZONE),
    WEIGHBRIDGE_LATE: late,
    WEIGHBRIDGE_TEXT: tellBed(event, people),
  });
}

/** `Anna is in bed` */
function tellBed(event: BedDelivery['event'], { names }: People): string {
  return `${names.get(event.userId) ?? event.userId} is ${describeBed(event)}`;
}

/** The person's current weight, or the held one. */
function weightIn({ kind, reading }: Delivery): number | undefined {
  return kind === 'withdrawn' ? undefined : weightOf(reading);
}

function changeIn({ kind, reading, previousWeight }: Delivery): number | undefined {
  return kind === 'withdrawn' ? undefined : weightChange(reading, previousWeight);
}

/** If the reading itself is not held, Withings is not sure of the person. */
function heldReason({ held }: Reading): string {
  return held ?? 'ambiguous';
}

/** `Anna 81.25 kg (+0.40)`, in the unit of the household. */
function describe(delivery: Delivery, { names, unit }: People): string {
  const { kind, reading } = delivery;
  const who = names.get(reading.userId) ?? reading.userId;
  const weight = weightOf(reading);
  const what = weight === undefined ? listMeasures(reading, unit) : formatWeight(weight, unit);
  if (kind === 'withdrawn') return `${who}: ${what || 'a reading'} withdrawn`;
  if (kind === 'held') return `${who} ${what} (held: ${heldReason(reading)})`;
  const change = changeIn(delivery);
  if (weight === undefined) return `${who} ${what}`;
  return `${who} ${formatWeight(weight, unit)}${change === undefined ? '' : ` (${formatChange(change, unit)})`}`;
}
