import type { MeasureGroup } from '../../domain/measure.ts';
import { isSure, type Journal, type Reading, toReading } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';

/**
 * The readings of an answer that belong in the journal. A partly read version replaces a fully read older one only if
 * Withings is no longer sure of the person.
 */
export function readingsOf(
  userId: UserId,
  groups: readonly MeasureGroup[],
  journal: Pick<Journal, 'group'>,
): readonly Reading[] {
  return groups.flatMap((group) => {
    const reading = toReading(userId, group);
    const known = journal.group(userId, group.groupId);
    const isKept = group.isPartial === true && (known?.counts === true || known?.held !== undefined);
    return isKept && isSure(reading) ? [] : [reading];
  });
}
