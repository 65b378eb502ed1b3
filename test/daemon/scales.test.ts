import { strict as assert } from 'node:assert';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseConfig } from '../../src/config/config.ts';
import { startDaemon } from '../../src/daemon/daemon.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import type { Call } from '../../src/sandbox/calls.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { CLIENT } from '../support/home.ts';
import { OWN_FILES } from '../support/own-files.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const NO_SCOPE = JSON.stringify({ status: 2554, body: {}, error: 'no scope user.info' });

/** Runs a daemon for Anna, whose scale has a low battery, until `isDone`. */
async function live(
  directory: string,
  isDone: (log: ReturnType<typeof createRecordingLog>) => boolean,
  { refuses = false }: { readonly refuses?: boolean } = {},
) {
  const asked: Call[] = [];
  await using sandbox = await startSandbox({
    clock: realClock,
    client: CLIENT,
    fault(call, answer) {
      if (call.form.get('action') !== 'getdevice') return undefined;
      if (answer === undefined) asked.push(call);
      return refuses ? { text: NO_SCOPE } : undefined;
    },
  });
  sandbox.store('1234', { kilograms: 81.25, date: Math.floor(Date.now() / 1000) - 60 });
  sandbox.devices.setBattery('1234', 'low');
  const tokens = `${directory}/tokens`;
  await mkdir(tokens, { recursive: true });
  await writeFile(`${tokens}/1234`, sandbox.grants.link('1234'));
  const log = createRecordingLog();
  const { config } = parseConfig({
    WITHINGS_CLIENT_ID: CLIENT.clientId,
    WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
    WITHINGS_API_URL: sandbox.url.href,
    TOKENS_DIR: tokens,
    DATA_DIR: `${directory}/data`,
    HOST: '127.0.0.1',
    PORT: '0',
    STATUS_PORT: '0',
    USER_NAMES: '1234:Anna',
  });
  assert(config?.withings.credentials !== undefined);
  const { credentials } = config.withings;
  const ports = { signalGroup: () => undefined, files: OWN_FILES };
  await using daemon = await startDaemon({ ...config, withings: { ...config.withings, credentials } }, log, ports);
  while (!isDone(log)) await delay(10);
  const { people, troubles } = await daemon.look();
  return { log, people, troubles, asked: asked.length };
}

describe('a daemon', () => {
  test('asks for the scales at its first start, and not again at the next', async () => {
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

  test('goes on as before where Withings refuses', async () => {
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
