import { strict as assert } from 'node:assert';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { listenTo, MOSQUITTO_IS_MISSING, retainedOn, startMosquitto } from '../support/broker.ts';
import { startHome } from '../support/home.ts';
import { runProgram } from '../support/program.ts';

const nowSeconds = () => Math.floor(Date.now() / 1000);
const CONFIG = 'homeassistant/device/weighbridge_1234/config';
const IN_BED = 'weighbridge/1234/in_bed';

test('the bed state reaches Mosquitto from the notification, and returns after every loss', {
  skip: MOSQUITTO_IS_MISSING,
}, async () => {
  await using home = await startHome();
  await using broker = await startMosquitto();
  await home.link('1234');
  const hook = join(home.directory, 'hook.sh');
  await writeFile(hook, '#!/bin/sh\ncat >> heard\n');
  await chmod(hook, 0o755);
  const common = { APPLIS: '1,50,51', MQTT_URL: broker.url, USER_NAMES: '1234:Anna' };
  const env = { ...common, HOOK_COMMAND: hook, HOOK_BED: 'on' };
  const linesOf = async (name: string) => (await readFile(join(home.directory, name), 'utf8')).trimEnd().split('\n');
  const untilLines = async (name: string) => {
    while ((await linesOf(name)).length < 20) await new Promise<void>((resolve) => setTimeout(resolve, 50));
  };
  const start = nowSeconds();
  const since = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
  {
    await using daemon = await home.serve(env);
    await using listener = await listenTo(broker.url);
    const bed = (appli: number, date: number, userid = 1234) => daemon.notify({ userid, appli, date, deviceid: 'mat' });
    await daemon.line(({ event }) => event === 'mqtt_connected');
    assert.equal(await bed(50, start - 60), 200);
    const { payload } = await listener.hears(({ topic }) => topic === 'weighbridge/1234/bed_event');
    assert.deepEqual([JSON.parse(payload).event_type, JSON.parse(payload).name], ['in_bed', 'Anna']);
    assert.deepEqual(listener.on(IN_BED), [JSON.stringify({ in_bed: true, since: since(start - 60) })]);

    // The notifications are forged: one lacks the secret, and one names a stranger.
    const wrong = new URL(daemon.url.replace(/[^/]*$/, 'guess'));
    const body = new URLSearchParams({ userid: '1234', appli: '51', date: `${start}` });
    assert.equal((await fetch(wrong, { method: 'POST', body })).status, 404);
    assert.equal(await bed(51, start, 999), 200);
    // The events are late, repeated, and older.
    for (const date of [start - 3_600, start + 3_600]) assert.equal(await bed(51, date), 200);
    for (let each = 0; each < 5; each += 1) assert.equal(await bed(50, start - 60), 200);
    assert.equal(await bed(51, start - 120), 200);
    // A flood of events follows.
    for (let each = 0; each < 60; each += 1) assert.equal(await bed(50 + (each % 2), start - 180 - each), 200);
    await daemon.line(({ event, text }) => event === 'bed_refused' && /more than 20/.test(`${text}`));
    await listener.caughtUp();
    const states = new Set(listener.on(IN_BED));
    assert.deepEqual([...states], [JSON.stringify({ in_bed: true, since: since(start - 60) })]);
    assert.equal(listener.on('weighbridge/1234/bed_event').length, 1);
    await untilLines('data/bed.jsonl');
    daemon.child.kill('SIGKILL');
    await daemon.exited;
  }
  assert.equal((await linesOf('data/bed.jsonl')).length, 20);

  // The broker loses everything while weighbridge is off.
  {
    await using eraser = await listenTo(broker.url);
    for (const topic of (await retainedOn(broker.url)).keys()) await eraser.publish(topic, '', true);
  }
  assert.equal((await retainedOn(broker.url)).has(IN_BED), false);
  await using _again = await home.serve(env);
  await using listener = await listenTo(broker.url);
  await listener.hears(({ topic }) => topic === IN_BED);
  const kept = await retainedOn(broker.url);
  assert.deepEqual(JSON.parse(kept.get(IN_BED) ?? ''), { in_bed: true, since: since(start - 60) });
  const { in_bed } = JSON.parse(kept.get(CONFIG) ?? '').components;
  assert.deepEqual([in_bed.device_class, in_bed.state_topic], ['occupancy', IN_BED]);

  // The broker also loses everything while weighbridge runs.
  for (const topic of kept.keys()) await listener.publish(topic, '', true);
  await broker.stop();
  await broker.start();
  await using late = await listenTo(broker.url);
  await late.hears(({ topic, payload }) => topic === IN_BED && payload !== '');

  const { stdout } = await runProgram(['users', '--json'], { cwd: home.directory, env: common });
  const { bed } = JSON.parse(stdout);
  assert.deepEqual([bed.in_bed, Date.parse(bed.since) / 1000], [true, start - 60]);
  await untilLines('heard');
  const first = JSON.parse((await linesOf('heard'))[0] ?? '');
  assert.deepEqual([first.kind, first.late, first.text], ['in_bed', false, 'Anna is in bed']);
});
