import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon } from '../../src/daemon/daemon.ts';
import type { PersonStatus } from '../../src/domain/status.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import type { Call } from '../../src/sandbox/calls.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { CLIENT } from '../support/home.ts';
import { settingsFor } from '../support/own-daemon.ts';
import { OWN_FILES } from '../support/own-files.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const NO_SCOPE = JSON.stringify({ status: 2554, body: {}, error: 'no scope user.info' });

/** The height that Anna entered by hand years ago. */
const HEIGHTS = JSON.stringify({
  status: 0,
  body: {
    updatetime: 1_795_154_462,
    timezone: 'Europe/Vienna',
    measuregrps: [
      {
        grpid: 11,
        attrib: 2,
        date: 1_500_000_000,
        created: 1_500_000_000,
        modified: 1_500_000_000,
        category: 1,
        deviceid: null,
        measures: [{ value: 179, type: 4, unit: -2 }],
      },
    ],
  },
});

/** Runs a daemon for Anna, whose scale has a low battery, until `isDone`. */
async function live(
  directory: string,
  isDone: (log: ReturnType<typeof createRecordingLog>, people: readonly PersonStatus[]) => boolean,
  { refuses = false }: { readonly refuses?: boolean } = {},
) {
  const asked: Call[] = [];
  const heights: Call[] = [];
  await using sandbox = await startSandbox({
    clock: realClock,
    client: CLIENT,
    fault(call, answer) {
      if (call.form.get('meastype') === '4') {
        if (answer === undefined) heights.push(call);
        return { text: HEIGHTS };
      }
      if (call.form.get('action') !== 'getdevice') return undefined;
      if (answer === undefined) asked.push(call);
      return refuses ? { text: NO_SCOPE } : undefined;
    },
  });
  sandbox.store('1234', { kilograms: 81.25, date: Math.floor(Date.now() / 1000) - 60 });
  sandbox.devices.setBattery('1234', 'low');
  const config = await settingsFor(directory, sandbox, { USER_NAMES: '1234:Anna' });
  const log = createRecordingLog();
  const ports = { signalGroup: () => undefined, files: OWN_FILES };
  await using daemon = await startDaemon(config, log, ports);
  while (!isDone(log, (await daemon.look()).people)) await delay(10);
  const { people, troubles } = await daemon.look();
  return { log, people, troubles, asked: asked.length, heights: heights.length };
}

describe('a daemon', () => {
  test('requests the scales at its first start, and not at the next', async () => {
    await using directory = await temporaryDirectory();
    const file = () => readFile(`${directory.path}/data/people/1234`, 'utf8').catch(() => '');
    const first = await live(directory.path, ({ entries }) => entries.some(({ event }) => event === 'battery_low'));
    assert.equal(first.asked, 1);
    const told = first.log.entries.filter(({ event }) => event === 'battery_low');
    assert.deepEqual(
      told.map(({ level, text }) => [level, text]),
      [['warn', 'Anna (1234): The battery of the Body+ is low. Replace or charge it.']],
    );
    assert.match(await file(), /"scales":\[\{"deviceid":"[^"]+","model":"Body\+","battery":"low","last_contact":"20/);
    const before = await file();
    const next = await live(directory.path, ({ entries }) => entries.some(({ event }) => event === 'fetched'));
    assert.deepEqual([next.asked, next.people[0]?.scales[0]?.battery], [0, 'low']);
    assert.equal(JSON.parse(await file()).scales_asked_at, JSON.parse(before).scales_asked_at);
  });

  test('requests the height after the first weight, and derives the body mass index', async () => {
    await using directory = await temporaryDirectory();
    const isFetched = ({ entries }: ReturnType<typeof createRecordingLog>) =>
      entries.some(({ event }) => event === 'fetched');
    assert.equal((await live(directory.path, isFetched)).heights, 0);
    const second = await live(directory.path, (_, people) => people[0]?.derived.bmi !== undefined);
    assert.deepEqual([second.heights, second.people[0]?.derived.bmi], [1, 25.4]);
    const third = await live(directory.path, isFetched);
    assert.deepEqual([third.heights, third.people[0]?.derived.bmi], [0, 25.4]);
  });

  test('continues as before if Withings rejects the request', async () => {
    await using directory = await temporaryDirectory();
    const isRefused = ({ entries }: ReturnType<typeof createRecordingLog>) =>
      entries.some(({ event }) => event === 'scales_unknown');
    const { log, people, troubles, asked } = await live(directory.path, isRefused, { refuses: true });
    assert.deepEqual([asked, people[0]?.login.state, people[0]?.scales, troubles], [1, 'works', [], []]);
    assert.deepEqual(
      log.entries.filter(({ level, event }) => (level === 'warn' || level === 'error') && event !== 'no_callback'),
      [],
    );
  });
});
