import type { TimedValue } from './history.ts';
import { counts, type HeldReason, type Reading, SAME_MOMENT_MS, weightOf } from './reading.ts';

/** A scale's clock may be a little ahead of ours. */
const AHEAD_MS = 5 * 60_000;
/** No bathroom scale weighs more: a heavier weight is an error. */
const HEAVIEST_KG = 400;
const DAY_MS = 24 * 3_600_000;
/** The age of the weights that a new one is compared with. */
const RECENT_MS = 60 * DAY_MS;
/** The time within which a second, similar weight releases both. */
const CONFIRM_MS = 7 * DAY_MS;
/** The greatest difference of similar weights: it covers food, drink and clothes within a week. */
const ALIKE = 0.05;

/** A weight and its group. */
export interface GroupWeight extends TimedValue {
  readonly groupId: number;
}

/** A person's weights in the journal around a moment, without the reading's own group. Bounds: `from <= t < to`. */
export interface Neighbours {
  /** The weights that count. */
  weights(fromMs: number, toMs: number): readonly GroupWeight[];
  /** The weights held because of a jump. */
  heldJumps(fromMs: number, toMs: number): readonly GroupWeight[];
}

export interface HoldRules {
  /** The greatest difference from every recent weight, as a share of that weight. Undefined for no limit. */
  readonly jumpShare: number | undefined;
}

export interface Assessment {
  readonly held: HeldReason | undefined;
  /** The groups that are no longer held, because this reading confirms them. */
  readonly released: readonly number[];
}

const FINE: Assessment = { held: undefined, released: [] };

/**
 * Whether a reading can be this person's.
 *
 * @param now the later one of our clock and Withings', so that a late clock holds nothing
 */
export function assess(
  reading: Reading,
  { neighbours, rules, now }: { readonly neighbours: Neighbours; readonly rules: HoldRules; readonly now: Date },
): Assessment {
  if (!counts(reading)) return FINE;
  if (isAhead(reading.takenAt, now)) return { held: 'future', released: [] };
  const kilograms = weightOf(reading);
  if (kilograms === undefined) return FINE;
  if (!(kilograms > 0 && kilograms <= HEAVIEST_KG)) return { held: 'impossible', released: [] };
  const takenMs = reading.takenAt.getTime();
  const isNear = ({ value }: TimedValue, share: number) => Math.abs(kilograms - value) <= share * value;
  // Two groups of one weigh-in confirm nothing.
  const isOther = (each: TimedValue) => Math.abs(each.takenMs - takenMs) > SAME_MOMENT_MS;
  const jumps = neighbours.heldJumps(takenMs - CONFIRM_MS, takenMs + CONFIRM_MS + 1);
  const alike = jumps.filter((each) => isOther(each) && isNear(each, ALIKE));
  if (alike.length > 0) return { held: undefined, released: alike.map(({ groupId }) => groupId) };
  const { jumpShare } = rules;
  if (jumpShare === undefined) return FINE;
  const recent = neighbours.weights(takenMs - RECENT_MS, takenMs + 1);
  if (recent.length === 0 || recent.some((each) => isNear(each, jumpShare))) return FINE;
  return { held: 'jump', released: [] };
}

/** Whether a date is further ahead than a scale's clock may be. */
export function isAhead(date: Date, now: Date): boolean {
  return date.getTime() > now.getTime() + AHEAD_MS;
}
