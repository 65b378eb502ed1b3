import { derive, NOTHING_DERIVED } from '../../src/domain/derived.ts';
import type { WeightUnit } from '../../src/domain/format.ts';
import { believableOf, type Histories, type TimedValue } from '../../src/domain/history.ts';
import type { GroupState, HeldReason } from '../../src/domain/reading.ts';
import type { PersonStatus, PublisherStatus, Status, TroubleStatus } from '../../src/domain/status.ts';
import type { UserId } from '../../src/domain/token.ts';
import type { PageView } from '../../src/page/view.ts';
import { ANNA, BO, userId } from './people.ts';
import { createRandom } from './random.ts';

/** The time of the pages in tests. */
export const NOW = new Date(2026, 10, 21, 7, 4, 10);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export type Series = Readonly<Record<string, readonly TimedValue[]>>;

export function historiesOf(people: ReadonlyMap<UserId, Series>): Histories {
  return {
    quantitiesOf: (user) => Object.keys(people.get(user) ?? {}),
    valuesOf: (user, quantity) => people.get(user)?.[quantity] ?? [],
  };
}

export const ago = (agoMs: number) => ({ at: new Date(NOW.getTime() - agoMs), agoMs });

/** Creates a person without troubles. */
export function person(user: UserId, name: string | undefined, changes: Partial<PersonStatus> = {}): PersonStatus {
  return {
    userId: user,
    name,
    login: { state: 'works' },
    lastNotification: ago(3 * MINUTE_MS),
    lastContact: ago(2 * MINUTE_MS),
    lastWeighIn: undefined,
    derived: NOTHING_DERIVED,
    held: [],
    unreadable: 0,
    subscription: { state: 'works', applis: [1], since: undefined, reason: undefined },
    scales: [],
    ...changes,
  };
}

export function status(changes: Partial<Status> = {}): Status {
  const startedAt = new Date(NOW.getTime() - 3 * DAY_MS);
  return { startedAt, uptimeMs: 3 * DAY_MS, people: [], publishers: [], troubles: [], ...changes };
}

export function view(changes: Partial<PageView> = {}): PageView {
  return {
    now: NOW,
    version: '0.1.0',
    range: 'quarter',
    unit: 'kg',
    status: status(),
    histories: historiesOf(new Map()),
    concerns: [],
    callbackUrl: 'https://me.example.org/withingsWebhook/9f2c5d0a7be14f6c8a4f',
    pollMs: 600_000,
    reconcileMs: 6 * HOUR_MS,
    answersRedirect: true,
    offersLink: true,
    linkUrl: './link',
    pastes: false,
    backfill: undefined,
    ...changes,
  };
}

/** A morning a day, most days, with a summer holiday and a slow change for the better. */
export function mornings(options: {
  readonly seed: number;
  readonly days: number;
  readonly from: number;
  readonly to: number;
  readonly composition?: boolean;
  readonly everyDay?: boolean;
}): Series {
  const { days, from, to, composition = true, everyDay = false } = options;
  const random = createRandom(options.seed);
  const noise = () => random() + random() + random() - 1.5;
  const series: Record<string, TimedValue[]> = {};
  const put = (key: string, takenMs: number, value: number, digits: number) => {
    series[key] ??= [];
    series[key].push({ takenMs, value: Number(value.toFixed(digits)) });
  };
  for (let day = days - 1; day >= 0; day -= 1) {
    const isAway = day > 118 && day < 145;
    if (!everyDay && (isAway || random() < 0.12)) continue;
    const { time, done } = morning(day, days, random());
    const season = 1.1 * Math.sin((day / 365) * 2 * Math.PI);
    const weight = from + (to - from) * done + season + noise() * 0.55;
    put('weight', time, weight, 2);
    if (!composition) continue;
    const fat = 24 - 4.2 * done + season * 0.6 + noise() * 0.5;
    put('fat_ratio', time, fat, 1);
    put('muscle_mass', time, weight * (1 - fat / 100) * 0.95 + noise() * 0.15, 2);
    put('hydration', time, weight * 0.53 + noise() * 0.3, 2);
    put('bone_mass', time, 3.1 + noise() * 0.02, 2);
    put('visceral_fat', time, 5.2 - 1.4 * done + noise() * 0.1, 1);
    put('heart_rate', time, 61 - 3 * done + noise() * 5, 0);
    put('pulse_wave_velocity', time, 6.9 + noise() * 0.3, 2);
    put('fat_mass', time, (weight * fat) / 100, 2);
    put('segment_muscle_mass_2', time, weight * 0.04 + noise() * 0.05, 2);
  }
  return series;
}

function morning(day: number, days: number, random: number) {
  const time = new Date(NOW.getFullYear(), NOW.getMonth(), NOW.getDate() - day, 6, 41 + 20 * random, 12).getTime();
  return { time, done: 1 - day / days };
}

/** Returns the status of a person with this history, as the daemon has it. The person keeps a height and a goal. */
export function withHistory(each: PersonStatus, series: Series, unit: WeightUnit = 'kg'): PersonStatus {
  const { height, goal } = each.derived;
  const weights = believableOf(historiesOf(new Map([[each.userId, series]])), NOW).valuesOf(each.userId, 'weight');
  const derived = derive(weights, { height, goal, unit });
  const last = series['weight']?.at(-1);
  if (last === undefined) return { ...each, derived };
  const takenAt = new Date(last.takenMs);
  return { ...each, derived, lastWeighIn: { kilograms: last.value, takenAt, agoMs: NOW.getTime() - last.takenMs } };
}

/** Returns a view of people with their histories. */
export function household(
  people: readonly (readonly [PersonStatus, Series])[],
  changes: Partial<PageView> = {},
  more: Partial<Status> = {},
): PageView {
  const histories = historiesOf(new Map(people.map(([{ userId: user }, series]) => [user, series])));
  return view({
    histories,
    status: status({ people: people.map(([each, s]) => withHistory(each, s, changes.unit)), ...more }),
    ...changes,
  });
}

export const ANNAS = mornings({ seed: 7, days: 730, from: 86.5, to: 81.2 });
export const BOS = mornings({ seed: 11, days: 730, from: 68.4, to: 70.1, composition: false });
export const TROUBLED: TroubleStatus = {
  userId: undefined,
  code: 'unreachable',
  text: 'Withings cannot be reached (ECONNREFUSED wbsapi.withings.net:443). weighbridge retries automatically.',
  since: ago(4 * MINUTE_MS).at,
  isLasting: false,
};
const MQTT: PublisherStatus = {
  name: 'mqtt',
  state: 'works',
  since: ago(DAY_MS).at,
  problem: undefined,
  lastContact: ago(MINUTE_MS),
  behindBytes: 0,
};
const BROKER_DOWN = 'mqtt: the broker at mqtt://192.168.1.5:1883 cannot be reached (ECONNREFUSED); is it running?';

const anna = person(ANNA, 'Anna');
const ambitious = person(ANNA, 'Anna', { derived: { ...NOTHING_DERIVED, height: 1.78, goal: 78 } });
const bo = person(BO, 'Bo', { lastNotification: undefined, lastContact: ago(5 * HOUR_MS) });
const two = [
  [anna, ANNAS],
  [bo, BOS],
] as const;
const FUTURE: Series = {
  ...ANNAS,
  weight: [...(ANNAS['weight'] ?? []), { takenMs: new Date(2100, 0, 1).getTime(), value: 99 }],
  fat_ratio: [...(ANNAS['fat_ratio'] ?? []), { takenMs: new Date(2100, 0, 1).getTime(), value: 55 }],
};
const LONELY: Series = { weight: [{ takenMs: NOW.getTime() - 3 * MINUTE_MS, value: 81.25 }] };
const REFUSED = {
  state: 'needs_login',
  since: ago(21 * DAY_MS).at,
  reason: 'Withings refuses the refresh token',
} as const;
const POLLING = {
  state: 'polling',
  applis: [],
  since: undefined,
  reason: 'no CALLBACK_URL',
  pollMs: 600_000,
} as const;
const LOST = {
  state: 'lost',
  applis: [],
  since: ago(26 * HOUR_MS).at,
  reason: 'Withings cannot reach the callback URL (it got no answer)',
} as const;

const NAMES = [
  'Maximiliane-Alexandra von und zu Hohenstaufen-Wittelsbach III',
  'عبد الرحمن بن محمد',
  'Zoë 👩🏽‍🚀🏳️‍🌈',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  'Ōoka Tadasuke 大岡忠相',
  'Nguyễn Thị Minh Khai',
  'a&amp;b',
  'Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenha',
  'O’Brien',
  'Çağla',
  undefined,
];

function held(groupId: number, agoMs: number, weight: number | undefined, reason: HeldReason): GroupState {
  const takenAt = new Date(NOW.getTime() - agoMs);
  return { groupId, takenAt, weight, counts: false, held: reason, withdrawn: undefined };
}
const PARCEL = held(6_123_456_789, 3 * MINUTE_MS, 116.25, 'jump');
const AHEAD = held(6_123_456_790, -400 * DAY_MS, 60, 'future');

/** A page for every state that people meet, by a name for it. */
export const VIEWS: Readonly<Record<string, PageView>> = {
  well: household(two, {}, { publishers: [MQTT] }),
  month: household(two, { range: 'month' }),
  year: household(two, { range: 'year' }),
  all: household(two, { range: 'all' }),
  pounds: household(two, { unit: 'lb' }),
  stones: household(two, { unit: 'st', range: 'year' }),
  alone: household([[anna, ANNAS]]),
  backfill: household(two, {
    backfill: { userId: ANNA, state: 'running', share: 0.4, text: 'up to 2017-03-04: 812 measure groups, 700 new' },
  }),
  derived: household([[ambitious, ANNAS]]),
  'derived-pounds': household([[ambitious, ANNAS]], { unit: 'lb' }),
  'needs-login': household([[{ ...anna, login: REFUSED }, ANNAS], two[1]]),
  'lost-subscription': household([two[0], [{ ...bo, subscription: LOST }, BOS]]),
  'withings-down': household(two, {}, { troubles: [TROUBLED] }),
  'withings-down-long': household(
    two,
    {},
    { troubles: [{ ...TROUBLED, isLasting: true, since: ago(3 * HOUR_MS).at }] },
  ),
  'broker-down': household(
    two,
    {},
    {
      publishers: [{ ...MQTT, state: 'trouble', since: ago(HOUR_MS).at, problem: BROKER_DOWN, behindBytes: 990 }],
      troubles: [
        { ...TROUBLED, code: 'broker_unreachable', text: BROKER_DOWN, since: ago(HOUR_MS).at, isLasting: true },
      ],
    },
  ),
  'everything-wrong': household(
    [
      [{ ...anna, login: REFUSED }, ANNAS],
      [
        { ...bo, subscription: LOST, login: { state: 'unknown', reason: 'the token file cannot be read (EACCES)' } },
        BOS,
      ],
    ],
    {
      callbackUrl: undefined,
      answersRedirect: false,
      concerns: [
        {
          isBroken: true,
          text: 'data/ cannot be written',
          remedy: 'Give the directory to the user that runs weighbridge.',
        },
        { isBroken: false, text: 'the callback URL has nothing in it that is hard to guess', remedy: undefined },
      ],
    },
    {
      publishers: [{ ...MQTT, state: 'trouble', since: ago(HOUR_MS).at, problem: BROKER_DOWN, behindBytes: 990 }],
      troubles: [TROUBLED],
    },
  ),
  empty: view(),
  'empty-without-callback': view({
    callbackUrl: undefined,
    answersRedirect: false,
  }),
  polling: household(
    [
      [{ ...anna, subscription: POLLING }, ANNAS],
      [{ ...bo, subscription: POLLING }, BOS],
    ],
    { callbackUrl: undefined, answersRedirect: false },
  ),
  'callback-unreachable': household([
    two[0],
    [{ ...bo, subscription: { ...LOST, state: 'polling', pollMs: 600_000 } }, BOS],
  ]),
  unsubscribed: household([
    two[0],
    [{ ...bo, subscription: { ...LOST, state: 'off', since: undefined, reason: 'unsubscribed' } }, BOS],
  ]),
  'no-weights': household([[anna, {}]]),
  'one-weight': household([[anna, LONELY]], { range: 'month' }),
  'old-weights': household([[anna, { weight: ANNAS['weight']?.slice(0, 200) ?? [] }]], { range: 'month' }),
  future: household([[anna, FUTURE]], { range: 'month' }),
  held: household([
    [{ ...anna, held: [PARCEL] }, ANNAS],
    [{ ...bo, held: [held(1, 2 * DAY_MS, 1e300, 'impossible'), AHEAD], unreadable: 2 }, BOS],
  ]),
  'held-many': household([
    [
      {
        ...person(ANNA, undefined),
        held: [4, 3, 2, 1].map((days) => held(days, days * DAY_MS, undefined, 'future')),
        unreadable: 1,
      },
      LONELY,
    ],
  ]),
  'only-weight': household([[bo, BOS]], { range: 'year' }),
  names: household(
    NAMES.map((name, at) => [
      person(userId(String(100 + at)), name),
      at % 3 === 0 ? ANNAS : at % 3 === 1 ? BOS : LONELY,
    ]),
  ),
};
