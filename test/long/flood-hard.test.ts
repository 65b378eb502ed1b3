import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { floodDaemon } from '../support/flood-run.ts';
import { startHome } from '../support/home.ts';
import { patient } from '../support/patience.ts';
import { STRANGERS, type Stranger } from '../support/stranger.ts';

describe('a stranger with knowledge of the code', () => {
  it('does not delay a real notification by sending many requests at once', async () => {
    const strangers = Object.keys(STRANGERS) as Stranger[];
    const mostMs = patient(2_000);
    const { probed } = await floodDaemon({ strangers, seconds: 3, pipelined: 10 });
    assert.deepEqual(probed.others, []);
    assert.ok(probed.worstMs < mostMs, `a real notification waited ${probed.worstMs} ms`);
  });

  it('does not fill the memory with invented users next to many linked ones', async () => {
    const strangers = ['unknown users'] as const;
    const { memory } = await floodDaemon({ strangers, seconds: 3, pipelined: 1, others: 10_000 });
    // The growth is 80 MB on Node 20, and 125 MB on later ones, which collect later.
    // With a directory read per request it would be 1200 MB.
    assert.ok(memory.peak - memory.before < 240, `memory from ${memory.before} to ${memory.peak} MB`);
  });

  it('does not hide with invented users that a person unlinked', async () => {
    await using home = await startHome();
    await home.link('1234');
    await using daemon = await home.serve({ LOG_LEVEL: 'info' });
    for (let index = 0; index < 60; index += 1) await daemon.notify({ userid: 1e9 + index, appli: 1 });
    const told = () => daemon.lines.filter(({ event }) => event === 'unknown_user').length;
    for (let tries = 0; told() < 50 && tries < 400; tries += 1) await sleep(50);
    await daemon.notify({ userid: 1234, appli: 46, action: 'unlink' });
    const heard = daemon.line(({ event }) => event === 'unlinked').then(() => true);
    assert.ok(await Promise.race([heard, sleep(patient(1_000), false)]), 'the unlinking was not heard');
  });
});
