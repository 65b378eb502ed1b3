import { formatStones, type Quantity } from '../quantity.ts';

export interface Tick {
  /** Where it stands, 0 at the start of the axis and 1 at its end. */
  readonly position: number;
  readonly label: string;
}

/** From bottom to top, in the unit that is shown. */
export interface ValueScale {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly Tick[];
}

/** So much of the height is left free above and below. */
const MARGIN = 0.08;
const STONE_STEPS = [1, 2, 7, 14, 28, 70, 140, 280] as const;

/** @param lowest, highest values that must fit, as they were measured */
export function scaleOf(quantity: Quantity, lowest: number, highest: number, mostTicks: number): ValueScale {
  const [bottom, top] = [lowest * quantity.scale, highest * quantity.scale];
  const middle = (bottom + top) / 2;
  const least = quantity.leastSpan || Math.abs(middle) * 0.05 || 1;
  const half = (Math.max(top - bottom, least) / 2) * (1 + 2 * MARGIN);
  const [low, high] = [middle - half, middle + half];
  const step = stepOf(quantity, (high - low) / mostTicks);
  const ticks: Tick[] = [];
  for (let count = Math.ceil(low / step); count * step <= high; count += 1) {
    ticks.push({ position: (count * step - low) / (high - low), label: labelOf(quantity, count, step) });
  }
  return { low, high, ticks };
}

/** The smallest step that people count in, but not smaller than this. */
function stepOf({ steps }: Quantity, least: number): number {
  if (steps === 'stones') {
    const found = STONE_STEPS.find((step) => step >= least);
    if (found !== undefined && least > 0.5) return found;
  }
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((factor) => factor * power >= least) ?? 10) * power;
}

function labelOf({ steps }: Quantity, count: number, step: number): string {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const value = Number((count * step).toFixed(digits));
  return steps === 'stones' ? formatStones(value) : value.toFixed(digits).replace(/^-/, '−');
}
