import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergeSources, secretCredentials } from '../../src/config/sources.ts';

describe('settings from several places', () => {
  it('come from the strongest source that has them', () => {
    assert.deepEqual(mergeSources({ A: '1' }, { A: '2', B: '2' }, { A: '3', B: '3', C: '3' }), {
      A: '1',
      B: '2',
      C: '3',
    });
  });

  it('count a secret and the file that holds it as one', () => {
    const file = { MQTT_PASSWORD_FILE: '/secret', WITHINGS_CLIENT_ID: 'id' };
    const plain = { MQTT_PASSWORD: 'hush', WITHINGS_CLIENT_ID: 'other' };
    assert.deepEqual(mergeSources(file, plain), file);
    assert.deepEqual(mergeSources(plain, file), plain);
    assert.deepEqual(mergeSources({ MQTT_PASSWORD: ' ' }, file), { ...file, MQTT_PASSWORD: ' ' });
  });

  it('can be credentials of systemd, under the short name or the name of the setting', () => {
    const names = ['env', 'client_secret', 'mqtt_password', 'MQTT_PASSWORD', 'something'];
    assert.deepEqual(secretCredentials('/run/credentials/x', names), {
      WITHINGS_CLIENT_SECRET_FILE: '/run/credentials/x/client_secret',
      MQTT_PASSWORD_FILE: '/run/credentials/x/MQTT_PASSWORD',
    });
  });
});
