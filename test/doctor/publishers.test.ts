import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import type { MqttConfig } from '../../src/config/config.ts';
import { checkBroker } from '../../src/doctor/publishers.ts';
import { explain } from '../../src/domain/trouble.ts';
import { asBrokerTrouble } from '../../src/publishers/mqtt/trouble.ts';
import { listenTo, MOSQUITTO_IS_MISSING, startAedes, startMosquitto } from '../support/broker.ts';
import { assertFinding, startSetUp } from '../support/examination.ts';
import { fixturePath } from '../support/fixture.ts';
import { freePort } from '../support/free-port.ts';
import { createMqttHome, startMqttBench } from '../support/mqtt-bench.ts';
import { ANNA } from '../support/people.ts';

const CA_FILE = fixturePath('tls/ca.pem');

const check = (url: string, changes: Partial<MqttConfig> = {}, timeoutMs = 60_000) =>
  checkBroker(
    {
      url: new URL(url),
      username: undefined,
      password: undefined,
      caFile: undefined,
      channel: undefined,
      prefix: 'weighbridge',
      discoveryPrefix: 'homeassistant',
      ...changes,
    },
    new AbortController().signal,
    timeoutMs,
  );

describe('the doctor, asked about the broker', () => {
  it('is let in, says nothing there, and does not push the daemon out', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using daemon = startMqttBench(broker.url, createMqttHome(ANNA));
    await listener.hears(({ topic }) => topic === 'weighbridge/1234/health');
    await listener.caughtUp();
    const said = listener.heard.length;
    const { mark, text } = await check(broker.url);
    assert.deepEqual([mark, text], ['ok', `the MQTT broker 127.0.0.1:${broker.port} lets weighbridge in (MQTT 3.1.1)`]);
    await listener.caughtUp();
    assert.deepEqual(
      listener.heard.slice(said).map(({ topic }) => topic),
      ['test/mark'],
    );
    assert.deepEqual(daemon.log.texts('trouble'), []);
    assert.equal(daemon.log.texts('mqtt_connected').length, 1);
  });

  it('says in words what is wrong with the address', async () => {
    const port = await freePort();
    const refused = await check(`mqtt://127.0.0.1:${port}`);
    assert.equal(refused.mark, 'broken');
    assert.match(`${refused.text}; ${refused.remedy}`, /cannot be reached \(ECONNREFUSED\); nothing listens there/);
    // As Node says it: who looks a name up in a test leaves the machine.
    const unknown = asBrokerTrouble(
      Object.assign(new Error('no'), { code: 'ENOTFOUND' }),
      new URL('mqtt://brokr.local'),
    );
    assert.match(
      explain(unknown),
      /^the MQTT broker brokr\.local cannot be reached \(ENOTFOUND\); there is no such name/,
    );
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address() as { port: number };
    const nothing = await check(`mqtt://127.0.0.1:${address.port}`, {}, 300);
    silent.close();
    assert.match(`${nothing.mark} ${nothing.text}`, /^broken .* does not answer within 0\.3 s$/);
  });

  it('says in words what is wrong with TLS', async () => {
    await using broker = await startAedes({ tls: true });
    assert.equal((await check(broker.url, { caFile: CA_FILE })).mark, 'ok');
    const stranger = await check(broker.url);
    assert.match(`${stranger.mark} ${stranger.text}; ${stranger.remedy}`, /^broken .* not trusted .*set MQTT_CA_FILE/);
    const missing = await check(broker.url, { caFile: '/nowhere/ca.pem' });
    assert.match(`${missing.mark} ${missing.text}`, /^broken cannot read \/nowhere\/ca\.pem/);
  });

  const login = { username: 'weighbridge', password: 'wrong-horse' };
  const judge = async (url: string) => {
    const wrong = await check(url, login);
    assert.match(
      `${wrong.mark} ${wrong.text}`,
      /^broken .*(refuses the user name or the password|does not let us in)$/,
    );
    assert.match(wrong.remedy ?? '', /MQTT_PASSWORD/);
    assert.doesNotMatch(JSON.stringify(wrong), /wrong-horse/);
    assert.equal((await check(url, { ...login, password: 'right-horse' })).mark, 'ok');
  };

  it('says that the password is wrong', async () => {
    await using broker = await startAedes({
      authenticate: (_client, _name, password, done) => {
        if (String(password) === 'right-horse') done(null, true);
        else done(Object.assign(new Error('no'), { returnCode: 4 }), null);
      },
    });
    await judge(broker.url);
  });

  it('says so with Mosquitto', { skip: MOSQUITTO_IS_MISSING }, async () => {
    await using broker = await startMosquitto({ users: { weighbridge: 'right-horse' } });
    await judge(broker.url);
  });

  it('looks at it among the rest, where there is one', async () => {
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
