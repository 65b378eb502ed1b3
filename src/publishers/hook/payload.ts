import { formatTime } from '../../domain/clock.ts';
import { formatChange, formatWeight, listMeasures } from '../../domain/format.ts';
import type { People } from '../../domain/household.ts';
import type { Delivery } from '../../domain/publisher.ts';
import { readingFields, weightChange, weightOf } from '../../domain/reading.ts';

/** What a hook gets on its standard input, one line of JSON: the line of the journal, and what belongs to it. */
export function toJson(delivery: Delivery, people: People): string {
  const { reading, previousWeight, late, correction } = delivery;
  return JSON.stringify({
    ...readingFields(reading),
    name: people.names.get(reading.userId) ?? null,
    weight: weightOf(reading) ?? null,
    previous_weight: previousWeight ?? null,
    change: weightChange(reading, previousWeight) ?? null,
    late,
    correction,
    text: describe(delivery, people),
  });
}

/** The main fields as environment variables; unknown ones are not set. */
export function toVariables(delivery: Delivery, people: People): Readonly<Record<string, string>> {
  const { reading, previousWeight, late } = delivery;
  const values = {
    WEIGHBRIDGE_USERID: reading.userId,
    WEIGHBRIDGE_NAME: people.names.get(reading.userId),
    WEIGHBRIDGE_WEIGHT: weightOf(reading),
    WEIGHBRIDGE_CHANGE: weightChange(reading, previousWeight),
    WEIGHBRIDGE_DATE: formatTime(reading.takenAt, reading.timeZone),
    WEIGHBRIDGE_LATE: late,
    WEIGHBRIDGE_AMBIGUOUS: reading.ambiguous,
    WEIGHBRIDGE_GRPID: reading.groupId,
    WEIGHBRIDGE_TEXT: describe(delivery, people),
  };
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  // A variable ends at a zero byte, and Node refuses one.
  return Object.fromEntries(known.map(([name, value]) => [name, String(value).replaceAll('\0', '')]));
}

/** `Anna 81.25 kg (+0.40)`, in the unit of the household. */
function describe(delivery: Delivery, { names, unit }: People): string {
  const { reading, previousWeight } = delivery;
  const who = names.get(reading.userId) ?? reading.userId;
  const weight = weightOf(reading);
  if (weight === undefined) return `${who} ${listMeasures(reading, unit)}`;
  const change = weightChange(reading, previousWeight);
  return `${who} ${formatWeight(weight, unit)}${change === undefined ? '' : ` (${formatChange(change, unit)})`}`;
}
