import { API_FAULTS } from './api-faults.ts';
import type { WrongClock } from './fast-clock.ts';
import { createRandom, seedFrom } from './random.ts';
import { SABOTAGES } from './sabotage.ts';

export const PEOPLE = ['1234', '5678', '9012'] as const;

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SINCE_1970_MS = Date.now() - 5 * SECOND_MS;
/** The wall clocks of one round. */
export const CLOCKS: Readonly<Record<string, WrongClock>> = {
  'a clock at 1970': { wrongByMs: -SINCE_1970_MS },
  'a clock at 1970 that is set right': { wrongByMs: -SINCE_1970_MS, jumpMs: SINCE_1970_MS },
  'a clock an hour ahead': { wrongByMs: HOUR_MS },
  'a clock an hour behind': { wrongByMs: -HOUR_MS },
  'a clock a year ahead': { wrongByMs: 365 * DAY_MS },
  'a clock months behind': { wrongByMs: -150 * DAY_MS },
  'a clock that jumps an hour ahead': { jumpMs: HOUR_MS },
  'a clock that jumps an hour back': { jumpMs: -HOUR_MS },
  'a clock that jumps a year ahead': { jumpMs: 365 * DAY_MS },
  'a clock that jumps a year back': { jumpMs: -365 * DAY_MS },
};
export const FULL_DISK = 'a full disk';
export const READ_ONLY_DISK = 'a read-only disk';
export const SECOND_DAEMON = 'a second daemon';
export const COMMAND = 'a command beside it';
/** A start without a network is an outage from the first request on. */
export const NO_NETWORK = 'no network';
/** The kill comes a few milliseconds after an answered request: before, during and after the writes. */
export const MID_STEP = 'SIGKILL in mid-step';

const LIFE_MS = { least: 300, most: 3_500 };
const DOWNTIME_HOURS = { least: 3, most: 30 };
/** The delay of some groups after their time of change. */
const LATE_SECONDS = 5_400;

/** The plan includes deletions of groups. */
export const DRAWS_DELETIONS = true;
const WAYS_OF_TAKING_BACK = [
  'emptied',
  'ambiguous',
  'moved',
  ...(DRAWS_DELETIONS ? (['deleted'] as const) : []),
] as const;

/** Weights that no person reaches: a cat on the scale, or a person with a parcel. */
export const ODD_KG = { cat: { least: 3, most: 6 }, parcel: { least: 126, most: 140 } } as const;
/** A scale's clock that is further ahead than any clock of a life. */
const FUTURE_SECONDS = 3 * 365 * 86_400;

/** An event of a person, so long after the start of a run. */
export type Step = { readonly atMs: number; readonly person: string } & (
  | {
      readonly what: 'weigh-in';
      readonly kilograms: number;
      readonly agoSeconds: number;
      readonly lateSeconds: number;
      /** The other possible person. */
      readonly orElse: string | undefined;
      readonly isTold: boolean;
    }
  | {
      readonly what: 'change';
      readonly kilograms: number;
      /** The position among the person's groups, from the first (0) to the newest (1). */
      readonly which: number;
      readonly isTold: boolean;
    }
  | {
      readonly what: 'taken back';
      readonly how: (typeof WAYS_OF_TAKING_BACK)[number];
      /** The new person of a moved group. */
      readonly to: string;
      readonly which: number;
      readonly isTold: boolean;
    }
  | { readonly what: 'profile'; readonly action: 'unlink' | 'delete' | 'update' }
);

/** The faults of one run of the daemon, and the events of people meanwhile. */
export interface Plan {
  readonly downtimeMs: number;
  readonly missed: readonly Step[];
  readonly api: string | undefined;
  readonly clock: string | undefined;
  readonly jumpAtMs: number;
  readonly disk: string | undefined;
  readonly sabotage: string | undefined;
  /** The person whose files change. */
  readonly victim: string;
  readonly companion: string | undefined;
  readonly lengthMs: number;
  readonly end: 'SIGKILL' | 'SIGTERM' | typeof MID_STEP;
  readonly steps: readonly Step[];
}

/** The same for the same seed and round, whatever happened in the rounds before. */
export function planRound(seed: number, round: number): Plan {
  const troubles = createRandom(seedFrom(seed, round, 'troubles'));
  const pick = <T extends string>(names: readonly T[], chance: number) =>
    troubles() < chance ? oneOf(names, troubles()) : undefined;
  const api = pick([...Object.keys(API_FAULTS), NO_NETWORK], 0.6);
  const clock = pick(Object.keys(CLOCKS), 0.2);
  const lengthMs = between(LIFE_MS, troubles());
  return {
    api,
    // Two wrong clocks leave no way to find the time.
    clock: api === 'a time far in the future' ? undefined : clock,
    jumpAtMs: lengthMs * troubles(),
    disk: pick([FULL_DISK, READ_ONLY_DISK], 0.15),
    sabotage: pick(Object.keys(SABOTAGES), 0.25),
    victim: oneOf(PEOPLE, troubles()) ?? PEOPLE[0],
    companion: pick([SECOND_DAEMON, COMMAND], 0.25),
    lengthMs,
    end: pick([MID_STEP, 'SIGKILL'], 0.7) ?? 'SIGTERM',
    downtimeMs: troubles() < 0.25 ? between(DOWNTIME_HOURS, troubles()) * HOUR_MS : 0,
    steps: planSteps(createRandom(seedFrom(seed, round, 'people')), lengthMs),
    missed: planSteps(createRandom(seedFrom(seed, round, 'people in between')), LIFE_MS.least),
  };
}

function planSteps(random: () => number, lengthMs: number): Step[] {
  const steps: Step[] = [];
  for (let atMs = random() * 200; atMs < lengthMs; atMs += random() * 200) {
    if (random() < 0.3) steps.push(planStep(random, atMs));
  }
  return steps;
}

function planStep(random: () => number, atMs: number): Step {
  const chance = random();
  const step = { atMs, person: oneOf(PEOPLE, random()) ?? PEOPLE[0] };
  const kilograms = 60 + Math.round(random() * 4000) / 100;
  const isTold = random() < 0.7;
  if (chance < 0.05)
    return { ...step, what: 'profile', action: oneOf(['unlink', 'delete', 'update'], random()) ?? 'update' };
  if (chance < 0.25) return { ...step, what: 'change', kilograms, which: random(), isTold };
  if (chance < 0.35) {
    const how = oneOf(WAYS_OF_TAKING_BACK, random()) ?? 'emptied';
    return { ...step, what: 'taken back', how, to: oneOf(PEOPLE, random()) ?? PEOPLE[0], which: random(), isTold };
  }
  const odd = random() < 0.1 ? oneOf(['cat', 'parcel', 'future'] as const, random()) : undefined;
  return {
    ...step,
    what: 'weigh-in',
    kilograms: odd === 'cat' || odd === 'parcel' ? Math.round(between(ODD_KG[odd], random()) * 100) / 100 : kilograms,
    isTold,
    agoSeconds: odd === 'future' ? -FUTURE_SECONDS : Math.floor(random() * 3600),
    lateSeconds: random() < 0.2 ? Math.floor(random() * LATE_SECONDS) : 0,
    orElse: random() < 0.15 ? oneOf(PEOPLE, random()) : undefined,
  };
}

function oneOf<T>(list: readonly T[], chance: number): T | undefined {
  return list[Math.floor(chance * list.length)];
}

function between({ least, most }: { readonly least: number; readonly most: number }, chance: number): number {
  return least + chance * (most - least);
}
