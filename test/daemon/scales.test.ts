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

const SCALE = { type: 'Scale', model: 'Body+', model_id: 5, battery: 'low', deviceid: 'b0d7' };
const DEVICES = { status: 0, body: { devices: [{ ...SCALE, last_session_date: 1_795_154_462 }] } };
const NO_SCOPE = { status: 2554, body: {}, error: 'no scope user.info' };

/** Runs a daemon with a Withings whose user service answers this, until the answer has come and `isDone`. */
async function live(
  directory: string,
  answer: object,
  isDone: (log: ReturnType<typeof createRecordingLog>) => boolean,
) {
  const calls: Call[] = [];
  const isAboutDevices = ({ form }: Call) => form.get('action') === 'getdevice';
  await using sandbox = await startSandbox({
    clock: realClock,
    client: CLIENT,
    fault(call, done) {
      if (done === undefined) calls.push(call);
      return isAboutDevices(call) ? { text: JSON.stringify(answer) } : undefined;
    },
  });
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
  return { log, people, troubles, asked: calls.filter(isAboutDevices).length, calls: calls.length };
}

describe('a daemon', () => {
  test('asks for the scales at its first start, and not again at the next', async () => {
    await using directory = await temporaryDirectory();
    const file = () => readFile(`${directory.path}/data/people/1234`, 'utf8').catch(() => '');
    const first = await live(directory.path, DEVICES, ({ entries }) =>
      entries.some(({ event }) => event === 'battery_low'),
    );
    assert.equal(first.asked, 1);
    const told = first.log.entries.filter(({ event }) => event === 'battery_low');
    assert.deepEqual(
      told.map(({ level, text }) => [level, text]),
      [['warn', 'Anna 1234: The battery of the Body+ is low. Replace or charge it.']],
    );
    assert.match(await file(), /"scales":\[\{"deviceid":"b0d7","model":"Body\+","battery":"low"/);
    const before = await file();
    const next = await live(directory.path, DEVICES, ({ entries }) => entries.some(({ event }) => event === 'fetched'));
    assert.deepEqual([next.asked, next.people[0]?.scales[0]?.battery], [0, 'low']);
    assert.equal(JSON.parse(await file()).scales_asked_at, JSON.parse(before).scales_asked_at);
  });

  test('goes on as before where Withings refuses', async () => {
    await using directory = await temporaryDirectory();
    const isRefused = ({ entries }: ReturnType<typeof createRecordingLog>) =>
      entries.some(({ event }) => event === 'scales_unknown');
    const { log, people, troubles, asked } = await live(directory.path, NO_SCOPE, isRefused);
    assert.deepEqual([asked, people[0]?.login.state, people[0]?.scales, troubles], [1, 'works', [], []]);
    assert.deepEqual(
      log.entries.filter(({ level, event }) => (level === 'warn' || level === 'error') && event !== 'no_callback'),
      [],
    );
  });
});
