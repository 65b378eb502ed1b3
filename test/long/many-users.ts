import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { watchCalls } from '../support/checker.ts';
import { createFastClock } from '../support/fast-clock.ts';
import { CALLBACK_PATH, startHome, URL_SECRET } from '../support/home.ts';
import { childScript } from '../support/program.ts';

/**
 * `npm run many-users -- --users 10000 --minutes 3` tests one process with very many people. Time passes thirty times
 * as fast, so three minutes are an hour and a half of reconciling.
 */
const { values } = parseArgs({
  options: { users: { type: 'string', default: '10000' }, minutes: { type: 'string', default: '3' } },
});
const SPEED = 30;
const CHILD = childScript('daemon-child');
const clock = createFastClock({ speed: SPEED, startMs: Date.now() });
const calls = watchCalls();
await using home = await startHome({
  clock,
  script: CHILD,
  fault: (call, answer) => {
    if (answer === undefined) calls.arrived(call);
    return undefined;
  },
  onCall: calls.answered,
});
const users = Number(values.users);
for (let user = 1; user <= users; user += 1) await home.link(String(user));

const env = { TEST_CLOCK: JSON.stringify(clock.time), LOG_LEVEL: 'info' };
const startedAt = performance.now();
await using daemon = home.start(env);
const { public: bound } = await daemon.line(({ event }) => event === 'listening');
const listeningMs = performance.now() - startedAt;
assert(typeof bound === 'object' && bound !== null && 'port' in bound);
const url = `http://127.0.0.1:${bound.port}${CALLBACK_PATH}`;
assert(url.includes(URL_SECRET));

async function memoryMb(): Promise<number> {
  const status = await readFile(`/proc/${daemon.child.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

const waits: number[] = [];
const endsAt = performance.now() + Number(values.minutes) * 60_000;
let mostMb = await memoryMb();
for (let user = users; performance.now() < endsAt; user -= 1) {
  await clock.sleep(5 * 60_000);
  const date = Math.floor(clock.now().getTime() / 1000) - 60;
  const groups = home.sandbox.store(String(user), { kilograms: 81.25, date });
  const sentAt = clock.elapsedMs();
  const body = new URLSearchParams({ userid: `${user}`, appli: '1', startdate: `${date}`, enddate: `${date + 1}` });
  assert.equal((await fetch(url, { method: 'POST', body })).status, 200);
  await daemon.line(({ grpid }) => grpid === groups[0]?.grpid);
  waits.push((clock.elapsedMs() - sentAt) / SPEED);
  mostMb = Math.max(mostMb, await memoryMb());
}
calls.assertRules();
process.stdout.write(
  `${users} users: listening after ${Math.round(listeningMs)} ms, ${mostMb} MB at most, ` +
    `${calls.count} calls (${calls.busiestMinute()} in the busiest minute), ${calls.rotations.count} rotations, ` +
    `${waits.length} fresh weigh-ins logged ${Math.round(Math.max(...waits))} ms after their notification at worst\n`,
);
