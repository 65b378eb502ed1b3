import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { startDaemon } from '../../src/daemon/daemon.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { API_FAULTS, type ApiFault } from '../support/api-faults.ts';
import { assertJournal, assertLogin, watchCalls } from '../support/checker.ts';
import { createFastClock } from '../support/fast-clock.ts';
import { CLIENT } from '../support/home.ts';
import { settingsFor } from '../support/own-daemon.ts';
import { OWN_FILES } from '../support/own-files.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const SPEED = 200;
/** The duration of the fault, by the clock of the run. */
const OUTAGE_MS = 5 * 60_000;
const PATIENCE_MS = 3 * 3_600_000;

/** Runs an outage of one kind with a weigh-in in the middle of it, and returns the log. */
async function surviveOutage(fault: ApiFault) {
  await using directory = await temporaryDirectory();
  const clock = createFastClock({ speed: SPEED, startMs: Date.now() });
  const calls = watchCalls();
  const outage = { lasts: false };
  await using sandbox = await startSandbox({
    clock,
    client: CLIENT,
    strict: true,
    fault: (call, answer) => {
      if (answer === undefined) calls.arrived(call);
      return outage.lasts ? fault(call, answer) : undefined;
    },
    onCall: calls.answered,
  });
  const config = await settingsFor(directory.path, sandbox);
  const log = createRecordingLog();
  const journal = async () => {
    const text = await readFile(`${directory.path}/data/measures.jsonl`, 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  {
    await using daemon = await startDaemon(config, log, {
      clock,
      signalGroup: () => undefined,
      files: OWN_FILES,
    });
    const url = `http://127.0.0.1:${daemon.publicAddress.port}${config.callback.path}`;
    assert(await sandbox.subscribe('1234', url, 1));
    outage.lasts = true;
    sandbox.grants.expireAccess();
    await sandbox.weigh('1234', { kilograms: 81.25, date: Math.floor(clock.now().getTime() / 1000) - 60 });
    await clock.sleep(OUTAGE_MS);
    assertLogin(sandbox, '1234', await readFile(`${directory.path}/tokens/1234`, 'utf8'));
    outage.lasts = false;
    const endMs = clock.elapsedMs() + PATIENCE_MS;
    while ((await journal()).length < 2 && clock.elapsedMs() < endMs) await clock.sleep(15_000);
    await clock.sleep(60_000);
  }
  assertJournal(sandbox, ['1234'], await journal());
  assertLogin(sandbox, '1234', await readFile(`${directory.path}/tokens/1234`, 'utf8'));
  calls.assertRules();
  const told = log.entries.filter(({ event, level }) => event === 'reading' && level === 'info');
  assert.equal(told.length, 1, 'told once');
  return log;
}

describe('five minutes of', { concurrency: 16 }, () => {
  for (const [name, fault] of Object.entries(API_FAULTS)) {
    test(`${name}: the weigh-in arrives once, and the login survives`, async () => {
      await surviveOutage(fault);
    });
  }
});

test('an outage is logged once at its start and once at its end', async () => {
  const fault = API_FAULTS['HTTP 502'];
  assert(fault !== undefined);
  const log = await surviveOutage(fault);
  const warnings = log.entries.filter(({ event, level }) => event === 'trouble' && level === 'warn');
  assert.deepEqual([warnings.length, log.texts('recovered').length], [1, 1]);
});
