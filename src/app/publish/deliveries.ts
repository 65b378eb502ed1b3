import type { Delivery, DeliveryKind, FeedLine, JournalFeed } from '../../domain/publisher.ts';
import { combine, counts, isSameWeighIn, type Reading, weightOf } from '../../domain/reading.ts';

/** Lines that follow each other in the journal and are delivered together; one at least. */
export type Run = readonly [FeedLine, ...FeedLine[]];

/**
 * Puts the parts of each weigh-in together. History is a run of its own, and so is each line that is taken back or held.
 */
export function runsOf(lines: readonly FeedLine[]): readonly Run[] {
  const runs: Run[] = [];
  for (const line of lines) {
    const last = runs.at(-1);
    const isPart =
      last !== undefined && isOrdinary(line) && isOrdinary(last[0]) && isSameWeighIn(last[0].reading, line.reading);
    if (isPart) runs[runs.length - 1] = [...last, line];
    else runs.push([line]);
  }
  return runs;
}

function isOrdinary({ reading, history }: FeedLine): boolean {
  return counts(reading) && !history;
}

/**
 * What a run says now.
 *
 * @param isOld whether a reading is too old to be announced
 * @returns undefined where there is nothing to deliver: history, what does not count any more, or was taken back before
 */
export function describeRun(
  run: Run,
  { contextOf, isOld }: Pick<JournalFeed, 'contextOf'> & { readonly isOld: (reading: Reading) => boolean },
): Delivery | undefined {
  if (run[0].history) return undefined;
  // What stands in the run itself is new: "before" is before the run.
  const { at } = run[0];
  const known = latestVersions(run).map((reading) => ({ reading, ...contextOf({ reading, at }) }));
  const [first, ...others] = known.filter((part) => part.stillCounts === counts(part.reading));
  if (first === undefined) return undefined;
  const reading = combine([first.reading, ...others.map((part) => part.reading)]);
  const parts = [first, ...others];
  const main = parts.find((part) => part.reading.groupId === reading.groupId) ?? first;
  const kind = kindOf(main, parts);
  if (kind === undefined) return undefined;
  return {
    kind,
    reading,
    groupIds: [...new Set([main, ...parts].map((part) => part.reading.groupId))],
    previousWeight: main.previousWeight,
    correction: main.correction,
    late: kind === 'correction' || kind === 'withdrawn' || kind === 'held' || isOld(reading),
  };
}

/** A version that Withings has changed meanwhile is passed over. */
function latestVersions(run: Run): readonly Reading[] {
  return [...new Map(run.map(({ reading }) => [reading.groupId, reading])).values()];
}

type Part = Pick<FeedLine, 'reading'> & ReturnType<JournalFeed['contextOf']>;

/** Undefined for what does not count, and did not before: it never counted, or it was taken back by an older line. */
function kindOf(main: Part, parts: readonly Part[]): DeliveryKind | undefined {
  if (!counts(main.reading)) {
    // A weight that counted does not any more: for those who heard of it, it is taken back.
    if (main.stopsCounting) return 'withdrawn';
    return main.countedBefore || main.reading.withdrawn !== undefined ? undefined : 'held';
  }
  if (parts.every((part) => part.countedBefore)) return 'correction';
  if (parts.some((part) => part.besideOlderWeight)) return 'addition';
  if (weightOf(main.reading) === undefined) return 'reading';
  return main.countedBefore ? 'addition' : 'weigh_in';
}
