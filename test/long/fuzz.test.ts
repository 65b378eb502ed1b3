import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { type FuzzReport, fuzz } from '../support/fuzz.ts';
import { startHome } from '../support/home.ts';
import { patient } from '../support/patience.ts';
import { sendRaw } from '../support/raw-client.ts';

const SEED = 20261120;
const INPUTS = 3_000;
/** The limit allows for uncollected memory. A leak of 30 KB an input would exceed it. */
const MOST_GROWTH_MB = 90;

describe('the public port under three thousand invalid inputs', () => {
  let report: FuzzReport;
  let mostMs: number;
  before(async () => {
    mostMs = patient(2_000);
    report = await fuzz({ inputs: INPUTS, seed: SEED, slowMs: 4_000 });
  });
  const kinds = () => [...report.kinds.values()];

  it('stays up, and a weigh-in still arrives afterwards', () => {
    assert.equal(
      kinds().reduce((sum, { inputs }) => sum + inputs, 0),
      INPUTS,
    );
    assert.equal(
      kinds().reduce((sum, { ends }) => sum + (ends.get('unreachable') ?? 0), 0),
      0,
    );
  });

  it('logs no bug', () => {
    const statuses = new Set(kinds().flatMap(({ answers }) => [...answers.keys()]));
    assert.deepEqual([...statuses].filter((status) => status >= 500).sort(), []);
    assert.deepEqual(report.defects, []);
  });

  it('logs little about strangers', () => {
    assert.ok(report.complaints.length <= 60, `${report.complaints.length} lines`);
  });

  it('answers the real notifications in between within the 2 s of Withings', () => {
    assert.ok(report.probed.count >= 5, `only ${report.probed.count} were sent`);
    assert.deepEqual(report.probed.others, []);
    assert.ok(report.probed.worstMs < mostMs, `${report.probed.worstMs} ms`);
  });

  it('keeps no memory of the inputs', () => {
    const { before, after } = report.memory;
    assert.ok(after - before < MOST_GROWTH_MB, `from ${before} to ${after} MB`);
  });
});

describe('a target that is not a URL', () => {
  it('is answered 404 and logs nothing', async () => {
    await using home = await startHome();
    await using daemon = await home.serve({ LOG_LEVEL: 'info' });
    const input = {
      kind: '',
      pieces: ['GET https://u:p HTTP/1.1\r\nHost: x\r\n\r\n'],
      pauseMs: 0,
      ending: 'wait',
    } as const;
    const { statuses } = await sendRaw(Number(new URL(daemon.url).port), input, { silenceMs: 10_000, totalMs: 10_000 });
    assert.deepEqual(statuses, [404]);
    daemon.child.kill('SIGTERM');
    assert.equal((await daemon.exited).stderr, '');
  });
});
