import type { MeasureGroup } from '../../domain/measure.ts';
import { isSure, type Journal, type Reading, toReading } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';

/**
 * The readings of an answer that the journal is to have. A version that was read in part does not replace an older one
 * that was read whole, unless Withings is no longer sure whose it is.
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
