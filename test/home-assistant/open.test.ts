import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/config/config.ts';
import { mergeSources } from '../../src/config/sources.ts';
import { openHomeAssistant } from '../../src/home-assistant/open.ts';
import { APP_TOKEN, type PlayedSupervisor, playSupervisor } from '../support/played-supervisor.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const MOSQUITTO = { host: 'core-mosquitto', port: 1883, username: 'addons', password: 'of-the-service' };

/** Opens the app with these options, and with a clock without real waits. */
async function open(played: PlayedSupervisor, options: object = {}, environment: Record<string, string> = {}) {
  await using place = await temporaryDirectory();
  const path = join(place.path, 'options.json');
  await writeFile(path, JSON.stringify({ WITHINGS_CLIENT_ID: 'id', WITHINGS_CLIENT_SECRET: 'secret', ...options }));
  const said: string[] = [];
  const from = {
    SUPERVISOR_OPTIONS: path,
    SUPERVISOR_URL: played.url,
    SUPERVISOR_TOKEN: APP_TOKEN,
    ...environment,
  };
  const ports = { say: (line: string) => said.push(line), clock: { sleep: async () => undefined } };
  const home = await openHomeAssistant(from, { ...ports, signal: new AbortController().signal });
  const { readable } = parseConfig(mergeSources(environment, home.options, home.broker));
  return { ...home, said, mqtt: readable.mqtt };
}

describe('the broker of Home Assistant', () => {
  it('is used if the settings name none', async () => {
    await using played = await playSupervisor();
    played.mqtt = MOSQUITTO;
    const { mqtt, said } = await open(played, { MQTT_CHANNEL: 'home/weight' });
    assert.equal(mqtt?.url.href, 'mqtt://core-mosquitto:1883');
    assert.deepEqual([mqtt?.username, mqtt?.password, mqtt?.channel], ['addons', 'of-the-service', 'home/weight']);
    assert.deepEqual(said, []);
  });

  it('uses TLS if the service reports TLS, and may require no login', async () => {
    await using played = await playSupervisor();
    played.mqtt = { host: 'broker.local', port: 8883, ssl: true, username: '', password: '' };
    const { mqtt } = await open(played);
    assert.deepEqual(
      [mqtt?.url.href, mqtt?.username, mqtt?.password],
      ['mqtts://broker.local:8883', undefined, undefined],
    );
  });

  it('is not requested if the options or the environment name another broker', async () => {
    await using played = await playSupervisor();
    played.mqtt = MOSQUITTO;
    const own = { MQTT_URL: 'mqtt://192.168.1.2' };
    for (const home of [await open(played, own), await open(played, {}, own)]) {
      assert.deepEqual([home.mqtt?.url.href, home.mqtt?.username], ['mqtt://192.168.1.2', undefined]);
      assert.equal(home.askLogin, undefined);
    }
    assert.equal(played.asked(), 0);
  });

  it('gets the login from the options if they have one', async () => {
    await using played = await playSupervisor();
    played.mqtt = MOSQUITTO;
    const { mqtt, askLogin } = await open(played, { MQTT_USERNAME: 'scale', MQTT_PASSWORD: 'of-the-scale' });
    assert.deepEqual(
      [mqtt?.url.host, mqtt?.username, mqtt?.password],
      ['core-mosquitto:1883', 'scale', 'of-the-scale'],
    );
    assert.deepEqual(Object.keys((await askLogin?.()) ?? {}), ['url']);
  });

  it('is requested again, and the last known broker is used without an answer', async () => {
    await using played = await playSupervisor();
    played.mqtt = MOSQUITTO;
    const { askLogin } = await open(played);
    played.mqtt = { ...MOSQUITTO, password: 'another' };
    assert.equal((await askLogin?.())?.password, 'another');
    played.failing = 502;
    assert.equal((await askLogin?.())?.password, 'another');
    played.failing = undefined;
    played.mqtt = undefined;
    assert.equal((await askLogin?.())?.password, 'another');
  });

  it('is missing without a broker app: nothing is published, and the log has a hint', async () => {
    await using played = await playSupervisor();
    const { mqtt, askLogin, said } = await open(played);
    assert.deepEqual([mqtt, askLogin], [undefined, undefined]);
    assert.match(said.join(), /^note: Home Assistant has no MQTT broker, .* Install the Mosquitto broker app/);
    assert.equal(played.asked(), 1);
  });

  it('is requested four times, and then the log has the reason of the failure', async () => {
    await using played = await playSupervisor();
    played.failing = 502;
    const { mqtt, said } = await open(played);
    assert.equal(mqtt, undefined);
    assert.match(
      said.join(),
      /^warning: Home Assistant does not report the address of its MQTT broker \(HTTP 502\)\. Restart/,
    );
    assert.equal(played.asked(), 4);
    played.failing = undefined;
    played.mqtt = { host: '', port: 1883 };
    assert.match((await open(played)).said.join(), /\(HTTP 200\)/);
    assert.match((await open(played, {}, { SUPERVISOR_TOKEN: 'wrong' })).said.join(), /\(HTTP 403\)/);
    assert.match((await open(played, {}, { SUPERVISOR_URL: 'http://127.0.0.1:1' })).said.join(), /\(ECONNREFUSED\)/);
  });
});
