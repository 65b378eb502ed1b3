import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPublisherTroubles } from '../../../src/app/status/troubles.ts';
import type { Clock } from '../../../src/domain/clock.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import type { Connection } from '../../../src/publishers/mqtt/connection.ts';
import { keepConnected } from '../../../src/publishers/mqtt/reconnect.ts';
import { type Broker, MOSQUITTO_IS_MISSING, startAedes, startMosquitto } from '../../support/broker.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMqttHome, eventually, startMqttBench } from '../../support/mqtt-bench.ts';
import { ANNA } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const trouble = (code: string) => new Trouble(code, { code, recovery: 'retry' });

/** Creates a connection that the test ends. */
function createConnection(endedIdle = true) {
  let end: (reason: Trouble) => void = () => undefined;
  let isOpen = true;
  let closes = 0;
  const ended = new Promise<Trouble>((resolve) => {
    end = (reason) => {
      isOpen = false;
      resolve(reason);
    };
  });
  const connection: Connection = {
    url: new URL('mqtt://broker'),
    terms: { version: 5, retains: true, qos: 1, longest: Number.POSITIVE_INFINITY },
    publish: () => Promise.resolve(),
    subscribe: () => Promise.resolve(),
    get isOpen() {
      return isOpen;
    },
    ended,
    endedIdle,
    close() {
      closes += 1;
      end(trouble('closed'));
      return Promise.resolve();
    },
  };
  return { connection, lose: () => end(trouble('mqtt_lost')), closes: () => closes };
}

function setUp(connect: (clock: Clock) => Promise<Connection>, greet: () => Promise<void> = () => Promise.resolve()) {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const stop = new AbortController();
  const link = keepConnected({
    connect: () => connect(clock),
    greet,
    clock,
    random: () => 1,
    log,
    troubles: createPublisherTroubles({ clock, log, publisher: 'mqtt' }),
    signal: stop.signal,
  });
  return {
    clock,
    log,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await link.stopped;
    },
  };
}

describe('the connection to a broker', () => {
  it('is retried after delays that double up to a minute', async () => {
    const triesMs: number[] = [];
    await using bench = setUp((clock) => {
      triesMs.push(clock.elapsedMs());
      return Promise.reject(trouble('mqtt_unreachable'));
    });
    await bench.clock.advance(300_000);
    assert.deepEqual(
      triesMs,
      [0, 1, 3, 7, 15, 31, 63, 123, 183, 243].map((seconds) => seconds * 1_000),
    );
  });

  it('is closed if the first messages fail', async () => {
    const made: ReturnType<typeof createConnection>[] = [];
    await using bench = setUp(
      () => {
        const each = createConnection();
        made.push(each);
        return Promise.resolve(each.connection);
      },
      () => Promise.reject(trouble('mqtt_not_now')),
    );
    await bench.clock.advance(10_000);
    assert.ok(made.length > 2);
    assert.deepEqual(
      made.slice(0, -1).map(({ closes }) => closes()),
      made.slice(0, -1).map(() => 1),
    );
  });

  /** Opens so many connections, which another client ends after a second each. */
  const flap = async (times: number, endedIdle: boolean | readonly boolean[], openMs = 1_000) => {
    const made: ReturnType<typeof createConnection>[] = [];
    const bench = setUp(() => {
      const each = createConnection(typeof endedIdle === 'boolean' ? endedIdle : endedIdle[made.length]);
      made.push(each);
      return Promise.resolve(each.connection);
    });
    for (let time = 1; time <= times; time += 1) {
      while (made.length < time) await bench.clock.advance(1_000);
      await bench.clock.advance(openMs);
      made.at(-1)?.lose();
      await bench.clock.advance(0);
    }
    return { ...bench, [Symbol.asyncDispose]: bench[Symbol.asyncDispose] };
  };
  const isTakenOver =
    /closed 3 connections in a row without a reason\. Another weighbridge probably uses the same MQTT_PREFIX\./;

  it('counts as taken over after three closings in a row without a reason, until one lasts', async () => {
    await using bench = await flap(12, true);
    const about = bench.log.entries.filter(({ code }) => code === 'mqtt_taken_over');
    const loud = about.filter(({ level }) => level === 'error');
    assert.equal(loud.length, 1, loud.map(({ text }) => text).join('\n'));
    assert.match(loud[0]?.text ?? '', isTakenOver);
    assert.ok(bench.log.texts('recovered').length <= 2, 'of the closings before');
    const loudly = ({ level, event }: { level: string; event: string }) =>
      event === 'mqtt_connected' && level === 'info';
    assert.equal(bench.log.entries.filter(loudly).length, 3);
    await bench.clock.advance(400_000);
    assert.match(bench.log.texts('recovered').join('\n'), /closed 3 connections in a row/);
  });

  it('does not count as taken over after two closings, or closings during a message', async () => {
    for (const [times, endedIdle, openMs] of [
      [2, true, 1_000],
      [6, false, 1_000],
      [6, true, 180_000],
      [5, [true, true, false, true, true], 1_000],
    ] as const) {
      await using bench = await flap(times, endedIdle, openMs);
      assert.doesNotMatch(bench.log.texts('trouble').join('\n'), /in a row/, `${times} ${endedIdle} ${openMs}`);
    }
  });

  for (const [name, start, skip] of [
    ['Mosquitto', () => startMosquitto(), MOSQUITTO_IS_MISSING],
    ['a broker of MQTT 3.1.1', () => startAedes(), false],
  ] as const satisfies readonly (readonly [string, () => Promise<Broker>, string | false])[]) {
    it(`is reported as taken over if two clients have one prefix: ${name}`, { skip }, async () => {
      await using broker = await start();
      await using one = startMqttBench(broker.url, createMqttHome(ANNA));
      await using other = startMqttBench(broker.url, createMqttHome(ANNA));
      const isTold = () => [one, other].some(({ log }) => log.texts('trouble').some((text) => isTakenOver.test(text)));
      await eventually(
        one,
        async () => {
          await other.clock.advance(1_000);
          return isTold();
        },
        1_000,
      );
    });
  }
});
