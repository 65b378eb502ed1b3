import type { Delivery, DeliveryKind, FeedLine, JournalFeed } from '../../domain/publisher.ts';
import { combine, counts, isSameWeighIn, type Reading, weightOf } from '../../domain/reading.ts';

/** Successive lines of the journal that are delivered together, at least one. */
export type Run = readonly [FeedLine, ...FeedLine[]];

/** Groups the parts of each weigh-in. History is a separate run, and so is each line that is taken back or held. */
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
 * The delivery of a run in its current state.
 *
 * @param isOld whether a reading is too old to be announced
 * @returns undefined for a run without a delivery: history, lines that no longer count, or were taken back before
 */
export function describeRun(
  run: Run,
  { contextOf, isOld }: Pick<JournalFeed, 'contextOf'> & { readonly isOld: (reading: Reading) => boolean },
): Delivery | undefined {
  if (run[0].history) return undefined;
  // The lines of the run are new: "before" means before the run.
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

/** Skips a version that Withings changed meanwhile. */
function latestVersions(run: Run): readonly Reading[] {
  return [...new Map(run.map(({ reading }) => [reading.groupId, reading])).values()];
}

type Part = Pick<FeedLine, 'reading'> & ReturnType<JournalFeed['contextOf']>;

/** Undefined if the run does not count and did not before: it never counted, or an older line took it back. */
function kindOf(main: Part, parts: readonly Part[]): DeliveryKind | undefined {
  if (!counts(main.reading)) {
    // A delivered weight no longer counts, so it is taken back.
    if (main.stopsCounting) return 'withdrawn';
    return main.countedBefore || main.reading.withdrawn !== undefined ? undefined : 'held';
  }
  if (parts.every((part) => part.countedBefore)) return 'correction';
  if (parts.some((part) => part.besideOlderWeight)) return 'addition';
  if (weightOf(main.reading) === undefined) return 'reading';
  return main.countedBefore ? 'addition' : 'weigh_in';
}
