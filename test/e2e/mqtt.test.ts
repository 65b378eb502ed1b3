import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { listenTo, MOSQUITTO_IS_MISSING, retainedOn, startAedes, startMosquitto } from '../support/broker.ts';
import { type Home, startHome } from '../support/home.ts';
import { COMPILED, runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const nowSeconds = () => Math.floor(Date.now() / 1000);
const HOUR = 3_600;

/** A loader hook that reports the requested packages at the end, and changes nothing. */
const SPY = `
import { register } from 'node:module';
import { writeFileSync } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
const { port1, port2 } = new MessageChannel();
const seen = new Set();
port1.on('message', (name) => seen.add(name)).unref();
register('data:text/javascript,' + encodeURIComponent(\`
  let port;
  export function initialize(data) { port = data.port; }
  export function resolve(name, context, next) { port.postMessage(name); return next(name, context); }
\`), import.meta.url, { data: { port: port2 }, transferList: [port2] });
process.on('exit', () => writeFileSync('seen.json', JSON.stringify([...seen])));
`;

async function loadedBy(home: Home, env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  await writeFile(join(home.directory, 'spy.mjs'), SPY);
  const spy = `--import ${join(home.directory, 'spy.mjs')}`;
  const daemon = await home.serve({ NODE_OPTIONS: spy, ...env });
  if ('MQTT_URL' in env) await daemon.line(({ event }) => event === 'mqtt_connected');
  daemon.child.kill('SIGTERM');
  assert.equal((await daemon.exited).code, 0);
  const files = await home.files();
  return JSON.parse(files.find(({ path }) => path.endsWith('seen.json'))?.text ?? '[]');
}

describe('weighbridge serve with MQTT', () => {
  it('loads the MQTT package only with a broker', async () => {
    await using home = await startHome({ script: COMPILED });
    await using broker = await startAedes();
    const isMqtt = (name: string) => name === 'mqtt' || name.includes('/publishers/mqtt');
    const without = await loadedBy(home, {});
    assert.ok(without.includes('express'), 'it sees what is loaded');
    assert.deepEqual(without.filter(isMqtt), []);
    assert.ok((await loadedBy(home, { MQTT_URL: broker.url })).includes('mqtt'));
  });

  it('publishes a weigh-in, and never prints its password', async () => {
    await using home = await startHome();
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await home.link('1234');
    const secret = 'the-secret-of-the-broker';
    const env = { MQTT_URL: broker.url, MQTT_USERNAME: 'anna', MQTT_PASSWORD: secret, MQTT_CHANNEL: 'home/weight' };
    await using daemon = await home.serve({ ...env, USER_NAMES: '1234:Anna' });
    const [group] = await home.sandbox.weigh('1234', { kilograms: 81.25, date: nowSeconds() - 60 });
    await daemon.notify({ userid: 1234, appli: 1, startdate: nowSeconds() - 61, enddate: nowSeconds() });
    const { payload } = await listener.hears(({ topic }) => topic === 'weighbridge/1234/event');
    assert.equal(JSON.parse(payload).grpid, group?.grpid);
    assert.equal(JSON.parse(payload).name, 'Anna');
    await listener.hears(({ topic, payload }) => topic === 'home/weight' && payload === '81.3');
    daemon.child.kill('SIGTERM');
    assert.equal((await daemon.exited).code, 0);
    assert.equal((await retainedOn(broker.url)).get('weighbridge/status'), 'offline');
    const written = (await home.files()).filter(({ path }) => !path.endsWith('.env'));
    assert.deepEqual(
      written.filter(({ text }) => text.includes(secret)),
      [],
    );
    assert.equal(daemon.output().includes(secret), false);
  });

  const will = async (broker: { readonly url: string }) => {
    await using home = await startHome();
    await using listener = await listenTo(broker.url);
    await using daemon = await home.serve({ MQTT_URL: broker.url });
    await listener.hears(({ topic, payload }) => topic === 'weighbridge/status' && payload === 'online');
    daemon.child.kill('SIGKILL');
    await listener.hears(({ topic, payload }) => topic === 'weighbridge/status' && payload === 'offline');
    assert.equal((await retainedOn(broker.url)).get('weighbridge/status'), 'offline');
  };

  it('is published as offline after a kill', async () => {
    await using broker = await startAedes();
    await will(broker);
  });

  it('is published as offline by Mosquitto too', { skip: MOSQUITTO_IS_MISSING }, async () => {
    await using broker = await startMosquitto();
    await will(broker);
  });

  const outage = async (
    broker: Awaited<ReturnType<typeof startAedes>> | Awaited<ReturnType<typeof startMosquitto>>,
  ) => {
    await using home = await startHome();
    const people = ['1234', '5678', '9012'];
    for (const person of people) await home.link(person);
    const env = { MQTT_URL: broker.url, MQTT_CHANNEL: 'home/weight', LOG_LEVEL: 'info' };
    {
      await using daemon = await home.serve(env);
      await daemon.line(({ event }) => event === 'mqtt_connected');
      await broker.stop();
      await daemon.line(({ code }) => code === 'mqtt_lost');
    }
    const start = nowSeconds() - 22 * HOUR;
    const sent: { readonly person: string; readonly kilograms: number }[] = [];
    for (const life of [0, 1, 2]) {
      if (life === 2) await broker.start();
      await using listener = life === 2 ? await listenTo(broker.url) : undefined;
      await using daemon = await home.serve(env);
      const groups: number[] = [];
      for (let each = 0; life < 2 && each < 10; each += 1) {
        const person = people[sent.length % people.length] ?? '';
        const kilograms = 70 + sent.length / 4;
        const [group] = await home.sandbox.weigh(person, { kilograms, date: start + sent.length * HOUR });
        groups.push(group?.grpid ?? 0);
        sent.push({ person, kilograms });
      }
      const window = { startdate: start, enddate: nowSeconds() };
      if (life < 2) for (const person of people) await daemon.notify({ userid: person, appli: 1, ...window });
      for (const group of groups) await daemon.reading(group);
      if (listener === undefined) daemon.child.kill('SIGKILL');
      else {
        for (const person of people) {
          const weights = sent.filter((each) => each.person === person).map(({ kilograms }) => kilograms);
          const topic = `weighbridge/${person}/weight`;
          const valueIn = (payload: string) => JSON.parse(payload).value;
          await listener.hears((message) => message.topic === topic && valueIn(message.payload) === weights.at(-1));
          assert.deepEqual(listener.on(topic).map(valueIn), weights);
          assert.equal(valueIn((await retainedOn(broker.url)).get(topic) ?? ''), weights.at(-1));
        }
        await listener.caughtUp();
        const announced = listener.heard.filter(({ topic }) => topic.endsWith('/event') || topic === 'home/weight');
        assert.deepEqual(announced, []);
      }
    }
  };

  it('delivers twenty weigh-ins in order after an outage and two kills, and announces no late ones', async () => {
    await using broker = await startAedes();
    await outage(broker);
  });

  it('delivers in the same order to Mosquitto', { skip: MOSQUITTO_IS_MISSING }, async () => {
    await using broker = await startMosquitto();
    await outage(broker);
  });

  it('reports wrong settings without their secrets', async () => {
    await using place = await temporaryDirectory();
    const env = {
      WITHINGS_CLIENT_ID: 'id',
      WITHINGS_CLIENT_SECRET: 'secret',
      MQTT_URL: 'mqtt://anna:hidden-word@broker',
      MQTT_PASSWORD: 'hidden-word',
      MQTT_PREFIX: 'a/+/b',
    };
    const { code, stderr } = await runProgram(['serve'], { cwd: place.path, env });
    assert.equal(code, 78);
    assert.match(stderr, /MQTT_URL: contains a user name/);
    assert.match(stderr, /MQTT_PREFIX: expected a topic/);
    assert.match(stderr, /warning: MQTT_PASSWORD without MQTT_USERNAME/);
    assert.doesNotMatch(stderr, /hidden-word/);
  });
});
