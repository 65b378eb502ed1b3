import { decimal } from '../../domain/measure.ts';
import type { Reading } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';
import type { Body } from '../scale.ts';

const DAY_MS = 24 * 3_600_000;
const DAYS = 730;
/** Far from the numbers that the sandbox assigns. */
const FIRST_GROUP = 7_000_000_000;

/** A person's two years. Days count back from today. */
export interface Life {
  readonly userId: UserId;
  readonly model: string;
  /** Kilograms so many days ago, with straight lines between them. */
  readonly course: readonly { readonly daysAgo: number; readonly kilograms: number }[];
  /** The number of weigh-in days out of a hundred. */
  readonly diligence: number;
  readonly holidays: readonly { readonly from: number; readonly to: number }[];
  /** The approximate time of getting up, in minutes after midnight. */
  readonly rises: number;
  /** The share of fat in percent, if the scale measures it: at the beginning, and now. */
  readonly fat?: { readonly from: number; readonly to: number };
}

/** Two years of weigh-ins up to yesterday, the same ones each time, oldest first. */
export function imagine(life: Life, now: Date): Reading[] {
  const random = createRandom(Number(life.userId));
  const readings: Reading[] = [];
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  let water = 0;
  for (let daysAgo = DAYS; daysAgo > 0; daysAgo -= 1) {
    // Food and drink affect the weight for a day or two.
    water = water * 0.6 + (random() + random() + random() - 1.5) * 0.5;
    const isAway = life.holidays.some(({ from, to }) => daysAgo <= from && daysAgo >= to);
    if (random() * 100 >= life.diligence || isAway) continue;
    const minutes = life.rises + (random() - 0.5) * 50;
    const takenAt = new Date(midnight.getTime() - daysAgo * DAY_MS + Math.round(minutes * 60) * 1000);
    readings.push(weighIn(life, daysAgo, takenAt, water + (random() - 0.5) * 0.3));
  }
  return readings;
}

function weighIn({ userId, model, course, fat }: Life, daysAgo: number, takenAt: Date, noise: number): Reading {
  const grams = Math.round((along(course, daysAgo) + noise) * 50) * 20;
  const weight = decimal(grams, -3);
  const body = fat && bodyOf(fat.to + ((fat.from - fat.to) * daysAgo) / DAYS, noise);
  return {
    userId,
    groupId: FIRST_GROUP + (Number(userId) % 1000) * 10_000 + daysAgo,
    takenAt,
    modifiedAt: new Date(takenAt.getTime() + 40_000),
    attribution: 0,
    ambiguous: false,
    deviceId: undefined,
    model,
    timeZone: undefined,
    measures: body === undefined ? { weight } : { weight, ...compose(grams, body, noise) },
  };
}

/** Water makes a person heavier, but not fatter. */
export function bodyOf(fatRatio: number, noise: number): Body {
  return { fatRatio: fatRatio - noise * 0.25, pulse: Math.round(61 + noise * 6) };
}

/** Splits the weight in the proportions that scales report. */
function compose(grams: number, { fatRatio, pulse }: Body, noise: number): Readonly<Record<string, number>> {
  const fatGrams = (grams * fatRatio) / 100;
  const kilograms = (each: number) => decimal(Math.round(each / 10), -2);
  return {
    fat_ratio: decimal(Math.round(fatRatio * 100), -2),
    fat_mass: kilograms(fatGrams),
    fat_free_mass: kilograms(grams - fatGrams),
    muscle_mass: kilograms((grams - fatGrams) * 0.95),
    hydration: kilograms((grams - fatGrams) * 0.71 + noise * 200),
    bone_mass: kilograms(3_010 + noise * 30),
    heart_rate: pulse,
  };
}

function along(course: Life['course'], daysAgo: number): number {
  const next = course.findIndex((each) => each.daysAgo <= daysAgo);
  const [before, after] = [course[Math.max(0, next - 1)], course[next]];
  if (before === undefined || after === undefined) return course.at(-1)?.kilograms ?? 0;
  const span = before.daysAgo - after.daysAgo || 1;
  return after.kilograms + ((before.kilograms - after.kilograms) * (daysAgo - after.daysAgo)) / span;
}

/** Numbers between 0 and 1 that look random, but are the same for a seed (a linear congruence, after Knuth). */
function createRandom(seed: number): () => number {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 33n) / 2 ** 31;
  };
}
