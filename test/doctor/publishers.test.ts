import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import type { MqttConfig } from '../../src/config/config.ts';
import { checkBroker } from '../../src/doctor/publishers.ts';
import { explain } from '../../src/domain/trouble.ts';
import { asBrokerTrouble } from '../../src/publishers/mqtt/trouble.ts';
import { listenTo, MOSQUITTO_IS_MISSING, retainedOn, startAedes, startMosquitto } from '../support/broker.ts';
import { assertFinding, startSetUp } from '../support/examination.ts';
import { fixturePath } from '../support/fixture.ts';
import { freePort } from '../support/free-port.ts';
import { createMqttHome, startMqttBench } from '../support/mqtt-bench.ts';
import { ANNA } from '../support/people.ts';

const CA_FILE = fixturePath('tls/ca.pem');

const checkAll = (url: string, changes: Partial<MqttConfig> = {}, timeoutMs = 60_000) =>
  checkBroker(
    {
      url: new URL(url),
      username: undefined,
      password: undefined,
      caFile: undefined,
      certFile: undefined,
      keyFile: undefined,
      channel: undefined,
      prefix: 'weighbridge',
      discoveryPrefix: 'homeassistant',
      ...changes,
    },
    new AbortController().signal,
    timeoutMs,
  );

/** Returns the only finding. */
const check = async (...args: Parameters<typeof checkAll>) => {
  const [finding, ...more] = await checkAll(...args);
  assert.ok(finding);
  assert.deepEqual(more, []);
  return finding;
};

describe('the doctor, asked about the broker', () => {
  it('connects, leaves no topics, publishes nothing else, and does not disconnect the daemon', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using daemon = startMqttBench(broker.url, createMqttHome(ANNA));
    await listener.hears(({ topic }) => topic === 'weighbridge/1234/health');
    await listener.caughtUp();
    const said = listener.heard.length;
    const { mark, text } = await check(broker.url);
    const expected = `the MQTT broker 127.0.0.1:${broker.port} accepts weighbridge (MQTT 3.1.1) and its messages`;
    assert.deepEqual([mark, text], ['ok', expected]);
    await listener.caughtUp();
    const topics = new Set(listener.heard.slice(said).map(({ topic }) => topic));
    const own = ['homeassistant/device/weighbridge_doctor/config', 'weighbridge/doctor'];
    assert.deepEqual([...topics].sort(), [...own, 'test/mark'].sort());
    const kept = await retainedOn(broker.url);
    assert.deepEqual(
      own.filter((topic) => kept.has(topic)),
      [],
    );
    assert.deepEqual(daemon.log.texts('trouble'), []);
    assert.equal(daemon.log.texts('mqtt_connected').length, 1);
  });

  it('explains a wrong address', async () => {
    const port = await freePort();
    const refused = await check(`mqtt://127.0.0.1:${port}`);
    assert.equal(refused.mark, 'broken');
    assert.match(
      `${refused.text}; ${refused.remedy}`,
      /cannot be reached \(ECONNREFUSED\); The broker refused the connection/,
    );
    // The error is the one of Node, because a real lookup would leave the machine.
    const unknown = asBrokerTrouble(
      Object.assign(new Error('no'), { code: 'ENOTFOUND' }),
      new URL('mqtt://brokr.local'),
    );
    assert.match(
      explain(unknown),
      /^the MQTT broker brokr\.local cannot be reached \(ENOTFOUND\)\. Host name not found/,
    );
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address() as { port: number };
    const nothing = await check(`mqtt://127.0.0.1:${address.port}`, {}, 300);
    silent.close();
    assert.match(`${nothing.mark} ${nothing.text}`, /^broken .* does not answer within 0\.3 s$/);
  });

  it('explains a TLS failure', async () => {
    await using broker = await startAedes({ tls: true });
    assert.equal((await check(broker.url, { caFile: CA_FILE })).mark, 'ok');
    const stranger = await check(broker.url);
    assert.match(`${stranger.mark} ${stranger.text}; ${stranger.remedy}`, /^broken .* not trusted .*Set MQTT_CA_FILE/);
    const missing = await check(broker.url, { caFile: '/nowhere/ca.pem' });
    assert.match(`${missing.mark} ${missing.text}`, /^broken cannot read \/nowhere\/ca\.pem/);
  });

  const login = { username: 'weighbridge', password: 'wrong-horse' };
  const judge = async (url: string) => {
    const wrong = await check(url, login);
    assert.match(
      `${wrong.mark} ${wrong.text}`,
      /^broken .*(rejected the user name or the password|rejected the connection \(not authorized\))$/,
    );
    assert.match(wrong.remedy ?? '', /MQTT_PASSWORD/);
    assert.doesNotMatch(JSON.stringify(wrong), /wrong-horse/);
    assert.equal((await check(url, { ...login, password: 'right-horse' })).mark, 'ok');
  };

  it('reports a wrong password', async () => {
    await using broker = await startAedes({
      authenticate: (_client, _name, password, done) => {
        if (String(password) === 'right-horse') done(null, true);
        else done(Object.assign(new Error('no'), { returnCode: 4 }), null);
      },
    });
    await judge(broker.url);
  });

  it('reports a wrong password of Mosquitto', { skip: MOSQUITTO_IS_MISSING }, async () => {
    await using broker = await startMosquitto({ users: { weighbridge: 'right-horse' } });
    await judge(broker.url);
  });

  const LIMITS: readonly (readonly [string, Parameters<typeof startMosquitto>[0], readonly RegExp[]])[] = [
    [
      'a packet size',
      { settings: ['max_packet_size 20000'] },
      [
        /^ok .* accepts weighbridge .* and its messages/,
        /^warning .* accepts at most 20,000 bytes, but weighbridge\/doctor needs 40,\d\d\d bytes; Raise/,
      ],
    ],
    [
      'a message size that it does not announce',
      { settings: ['message_size_limit 20000'] },
      [
        /^ok /,
        /^warning .* closed the connection at a message on weighbridge\/doctor \(40,000 bytes\); Check .*message_size/,
      ],
    ],
    [
      'no retained messages',
      { settings: ['retain_available false'] },
      [/^ok /, /^warning .* does not keep messages, so /],
    ],
    ['no QoS 1', { settings: ['max_qos 0'] }, [/^ok /, /^warning .* accepts only messages with QoS 0, so /]],
    [
      'rights that lack the discovery',
      { rights: ['weighbridge/#', 'homeassistant/status', 'test/#'] },
      [/^broken .* does not accept homeassistant\/device\/weighbridge_doctor\/config \(reason 135\); Allow this user/],
    ],
    [
      'rights that lack the prefix',
      { rights: ['homeassistant/#', 'test/#'] },
      [/^broken .* does not accept weighbridge\/doctor \(reason 135\); Allow this user/],
    ],
  ];
  for (const [name, options, expected] of LIMITS) {
    it(`reports what Mosquitto rejects: ${name}`, { skip: MOSQUITTO_IS_MISSING }, async () => {
      await using broker = await startMosquitto(options);
      const findings = await checkAll(broker.url);
      const lines = findings.map(({ mark, text, remedy }) => `${mark} ${text}; ${remedy}`);
      assert.equal(lines.length, expected.length, lines.join('\n'));
      for (const [index, line] of lines.entries()) assert.match(line, expected[index] ?? /^$/);
      // Reading the retained topics needs a retained marker with QoS 1, which such a broker rejects.
      if (!/no (retained|QoS)/.test(name)) assert.deepEqual([...(await retainedOn(broker.url)).keys()], []);
    });
  }

  it('reports a missing right to subscribe to Home Assistant', async () => {
    await using broker = await startAedes({
      authorizeSubscribe: (_client, subscription, done) =>
        done(null, subscription.topic.endsWith('/status') ? null : subscription),
    });
    const [fine, unheard] = await checkAll(broker.url);
    assert.match(
      `${fine?.mark} ${unheard?.mark} ${unheard?.text}`,
      /^ok warning .* rejected the subscription to homeassistant/,
    );
  });

  it('reports a broker of MQTT 3.1.1 that rejects by closing, and continues with the next message', async () => {
    await using broker = await startAedes({
      authorizePublish: (_client, { topic }, done) => done(topic.endsWith('/config') ? new Error('forbidden') : null),
    });
    const { mark, text } = await check(broker.url);
    assert.match(
      `${mark} ${text}`,
      /^broken .* closed the connection at a message on homeassistant\/device\S+ \(0 bytes\)/,
    );
  });

  it('ends in time without an acknowledgement, and leaves no topics then either', async () => {
    let isFrozen = true;
    await using broker = await startAedes({
      authorizePublish: (_client, _packet, done) => {
        if (!isFrozen) done(null);
      },
    });
    const { mark, text } = await check(broker.url, {}, 500);
    assert.match(`${mark} ${text}`, /^broken .* does not answer within 0\.5 s/);
    isFrozen = false;
    assert.equal((await retainedOn(broker.url)).has('weighbridge/doctor'), false);
  });

  it('checks the broker with everything else, if there is one', async () => {
    await using setUp = await startSetUp();
    const port = await freePort();
    assertFinding(
      await setUp.examine({ env: { MQTT_URL: `mqtt://127.0.0.1:${port}` } }),
      'mqtt',
      'broken',
      /ECONNREFUSED/,
    );
    const without = await setUp.examine();
    assert.deepEqual(
      without.filter(({ check: each }) => each === 'mqtt'),
      [],
    );
  });
});
