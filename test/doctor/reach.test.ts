import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { broken, type Finding, ok } from '../../src/doctor/finding.ts';
import { watchReach } from '../../src/doctor/reach.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createRecordingLog } from '../support/recording-log.ts';

const CLIENT = ok('client', 'Withings accepts the client');
const CALLBACK = broken('callback', 'the callback URL leads elsewhere', 'Start the tunnel.');

/** Returns the findings of each check, and repeats the last ones. */
function watch(...looks: readonly (readonly Finding[])[]) {
  const [clock, log, stop] = [createFakeClock(), createRecordingLog(), new AbortController()];
  let count = 0;
  const look = async function* () {
    count += 1;
    yield* looks[Math.min(count, looks.length) - 1] ?? [];
  };
  const reach = watchReach({ look, clock, log, signal: stop.signal });
  return { ...reach, clock, log, stop: () => stop.abort(), count: () => count };
}

describe('the way to Withings and back, for a person without a terminal', () => {
  it('is checked once if all checks pass', async () => {
    const { ended, findings, log, count } = watch([CLIENT]);
    await ended;
    assert.deepEqual([findings(), count()], [[], 1]);
    assert.deepEqual(log.entries, [{ level: 'info', event: 'doctor', text: CLIENT.text, check: 'client' }]);
  });

  it('is checked every ten minutes until all checks pass, and each finding is logged once', async () => {
    const { ended, findings, clock, log, count } = watch([CLIENT, CALLBACK], [CLIENT, CALLBACK], [CLIENT]);
    await clock.advance(0);
    assert.deepEqual(findings(), [CALLBACK]);
    await clock.advance(599_999);
    assert.equal(count(), 1);
    await clock.advance(1);
    assert.deepEqual([findings(), count()], [[CALLBACK], 2]);
    await clock.advance(600_000);
    await ended;
    assert.deepEqual([findings(), count()], [[], 3]);
    assert.deepEqual(
      log.entries.map(({ level, text }) => [level, text]),
      [
        ['info', CLIENT.text],
        ['warn', 'the callback URL leads elsewhere. Start the tunnel.'],
      ],
    );
  });

  it('ends with the daemon', async () => {
    const { ended, clock, stop, count } = watch([CALLBACK]);
    await clock.advance(0);
    stop();
    await ended;
    assert.equal(count(), 1);
  });
});
