import { createPublisherTroubles } from '../../src/app/status/troubles.ts';
import type { WeightUnit } from '../../src/domain/format.ts';
import type { Delivery, Publisher, Retained, RetainedStore } from '../../src/domain/publisher.ts';
import { type Reading, toReading } from '../../src/domain/reading.ts';
import { NOTHING_KNOWN, type PersonState } from '../../src/domain/status.ts';
import type { UserId } from '../../src/domain/token.ts';
import { createMqttPublisher, type MqttOptions } from '../../src/publishers/mqtt/publisher.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';
import { createLatest, type Latest } from './latest.ts';
import { ANNA, weighIn } from './people.ts';
import { createRecordingLog, type RecordingLog } from './recording-log.ts';

/** The state that outlives a publisher: linked people, their status, the journal, and the files. */
export interface MqttHome {
  readonly linked: Set<UserId>;
  readonly states: Map<UserId, PersonState>;
  readonly latest: Latest;
  readonly retained: RetainedStore;
}

export function createMqttHome(...linked: readonly UserId[]): MqttHome {
  let kept: Retained = { topics: new Set(), values: new Map() };
  return {
    linked: new Set(linked),
    states: new Map(),
    latest: createLatest(),
    retained: {
      load: () => Promise.resolve(kept),
      save: (retained) => {
        kept = structuredClone(retained);
        return Promise.resolve();
      },
    },
  };
}

/** A publisher with its surroundings except the outbox. The test advances its clock. */
export interface MqttBench extends AsyncDisposable {
  readonly publisher: Publisher;
  readonly log: RecordingLog;
  readonly clock: FakeClock;
  /** Appends a reading to the journal and delivers it. */
  deliver(reading: Reading, changes?: Partial<Omit<Delivery, 'reading'>>, signal?: AbortSignal): Promise<void>;
}

export function startMqttBench(
  url: string,
  home: MqttHome,
  {
    broker = {},
    unit = 'kg',
    ...changes
  }: Partial<Omit<MqttOptions, 'broker'>> & {
    readonly broker?: Partial<MqttOptions['broker']>;
    readonly unit?: WeightUnit;
  } = {},
): MqttBench {
  const log = createRecordingLog();
  const clock = createFakeClock();
  const publisher = createMqttPublisher({
    broker: { url: new URL(url), username: undefined, password: undefined, caFile: undefined, ...broker },
    prefix: 'weighbridge',
    discoveryPrefix: 'homeassistant',
    channel: undefined,
    maxAgeMs: () => 3_600_000,
    subscribeMs: 0,
    people: { names: new Map([[ANNA, 'Anna']]), unit },
    program: { version: '1.2.3', repository: 'https://example.org/weighbridge', pageUrl: undefined },
    latest: home.latest,
    derived: async () => new Map(),
    linkedUsers: () => Promise.resolve([...home.linked]),
    stateOf: (userId) => Promise.resolve(home.states.get(userId) ?? NOTHING_KNOWN),
    hasCallback: true,
    pollMs: 600_000,
    store: home.retained,
    troubles: createPublisherTroubles({ clock, log, publisher: 'mqtt' }),
    clock,
    random: () => 0,
    log,
    ...changes,
  });
  return {
    publisher,
    log,
    clock,
    async deliver(reading, delivery = {}, signal = new AbortController().signal) {
      // The publisher reads the journal at its start, before any new line.
      await clock.advance(0);
      home.latest.learn(reading);
      const ordinary = { kind: 'weigh_in', groupIds: [reading.groupId], correction: false, late: false } as const;
      await publisher.deliver({ reading, previousWeight: undefined, ...ordinary, ...delivery }, signal);
    },
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
  };
}

export function reading(userId: UserId, kilograms: number, takenAt: string, changes: Partial<Reading> = {}): Reading {
  return { ...toReading(userId, weighIn(kilograms, new Date(takenAt))), ...changes };
}

/** The longest wait of a test in real time. */
const MOST_MS = 60_000;

/**
 * Advances the clock until the condition is true.
 *
 * @throws after a minute of real time
 */
export async function eventually(
  { clock }: Pick<MqttBench, 'clock'>,
  isSo: () => boolean | Promise<boolean>,
  stepMs = 10_000,
): Promise<void> {
  const startedMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedMs > MOST_MS) throw new Error(`not so after ${MOST_MS / 1000} s: ${isSo}`);
    await clock.advance(stepMs);
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
}

/** Delivers with retries until it succeeds, as the outbox does. */
export async function deliverAtLast(bench: MqttBench, ...args: Parameters<MqttBench['deliver']>): Promise<void> {
  await eventually(bench, () =>
    bench.deliver(...args).then(
      () => true,
      () => false,
    ),
  );
}
