import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { floodDaemon } from '../support/flood-run.ts';
import { patient } from '../support/patience.ts';
import { STRANGERS, type Stranger } from '../support/stranger.ts';

const MOST_GROWTH_MB = 120;

/** The longest delay that forged notifications can cause for a weigh-in (docs/decisions/fetching.md). */
const LIED_ABOUT_MS = 20 * 60_000;

const CASES: Readonly<Record<string, readonly Stranger[]>> = {
  'about a linked person': ['the same window of a linked person', 'changing windows of a linked person'],
  'about unknown users': ['unknown users'],
  'without the secret': ['without the secret'],
  'everything there is, at once': Object.keys(STRANGERS) as Stranger[],
};

describe('a stranger who posts as fast as loopback allows', () => {
  for (const [what, strangers] of Object.entries(CASES)) {
    it(`causes no harm by posting ${what}`, async (test) => {
      const mostMs = { answer: patient(2_000), weighIn: patient(5_000) };
      const report = await floodDaemon({ strangers, seconds: 1, pipelined: 1 });
      const { calls, mostCalls, logLines, probed, weighInMs, floodedWeighInMs, memory, perSecond } = report;
      test.diagnostic(`${perSecond} a second, ${probed.count} real ones, worst ${probed.worstMs} ms`);
      assert.ok(perSecond > 20, `only ${perSecond} requests a second`);
      assert.deepEqual(
        [...report.answers.keys()].filter((status) => status >= 500),
        [],
      );
      assert.ok(calls.getmeas <= mostCalls.getmeas, `${calls.getmeas} calls of getmeas`);
      assert.ok(calls.requesttoken <= mostCalls.requesttoken, `${calls.requesttoken} refreshes`);
      assert.ok(logLines <= 80, `${logLines} lines in the log`);
      assert.deepEqual(probed.others, []);
      assert.ok(probed.worstMs < mostMs.answer, `a real notification waited ${probed.worstMs} ms`);
      assert.ok(weighInMs < mostMs.weighIn, `a real weigh-in took ${weighInMs} ms to the log`);
      const liedMs = what === 'about unknown users' || what === 'without the secret' ? mostMs.weighIn : LIED_ABOUT_MS;
      assert.ok((floodedWeighInMs ?? 0) < liedMs, `the flooded person's took ${floodedWeighInMs} ms`);
      assert.ok(memory.after - memory.before < MOST_GROWTH_MB, `from ${memory.before} to ${memory.after} MB`);
    });
  }
});
