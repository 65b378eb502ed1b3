import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { asBrokerTrouble, lost } from '../../../src/publishers/mqtt/trouble.ts';

const BROKER = new URL('mqtt://broker.lan');
const withCode = (code: string | number) => Object.assign(new Error('refused'), { code });

describe('the reason code of the broker', () => {
  for (const [reasons, code, recovery, message] of [
    [[1, 132], 'mqtt_version', 'retry', 'does not support this MQTT version'],
    [[2], 'mqtt_client_id', 'settings', 'rejected the client id of weighbridge'],
    [[3, 136, 137, 139], 'mqtt_busy', 'retry', 'is not ready'],
    [[4, 134], 'mqtt_login', 'settings', 'rejected the user name or the password'],
    [[5, 135, 138], 'mqtt_forbidden', 'settings', 'rejected the connection (not authorized)'],
    [[142], 'mqtt_taken_over', 'settings', 'closed this connection because another client uses the same MQTT_PREFIX'],
    [
      [144],
      'mqtt_exceeded',
      'settings',
      'closed the connection because of a message: the name of its topic (reason 144)',
    ],
    [[149], 'mqtt_exceeded', 'settings', 'closed the connection because of a message: its size (reason 149)'],
    [
      [153],
      'mqtt_exceeded',
      'settings',
      'closed the connection because of a message: the format of its payload (reason 153)',
    ],
    [
      [154],
      'mqtt_no_retain',
      'settings',
      'does not keep messages, so Home Assistant shows no values before the next weigh-in',
    ],
    [[155], 'mqtt_no_qos', 'settings', 'accepts only messages with QoS 0, so a weigh-in can get lost'],
  ] as const) {
    test(`${reasons.join(', ')}: ${code}`, () => {
      for (const reason of reasons) {
        for (const trouble of [asBrokerTrouble(withCode(reason), BROKER), lost(BROKER, reason)]) {
          assert.deepEqual([trouble.code, trouble.recovery], [code, recovery]);
          assert.equal(trouble.message, `the MQTT broker broker.lan ${message}`);
        }
      }
    });
  }

  test('is shown and retried if it is unknown', () => {
    assert.deepEqual(
      [asBrokerTrouble(withCode(200), BROKER), lost(BROKER, 200)].map(({ code, recovery }) => [code, recovery]),
      [
        ['mqtt_refused', 'retry'],
        ['mqtt_lost', 'retry'],
      ],
    );
  });
});

describe('a broker that cannot be reached', () => {
  for (const [name, hint] of [
    ['ECONNREFUSED', /The broker refused the connection/],
    ['ENOTFOUND', /Host name not found/],
    ['EAI_AGAIN', /DNS does not work/],
    ['EHOSTUNREACH', /Host unreachable/],
    ['ENETUNREACH', /No route to this network/],
    ['ETIMEDOUT', /firewall/],
    ['EMFILE', /open/],
  ] as const) {
    test(name, () => {
      const { code, recovery, message, hint: said } = asBrokerTrouble(withCode(name), BROKER);
      assert.deepEqual([code, recovery], ['mqtt_unreachable', 'retry']);
      assert.equal(message, `the MQTT broker broker.lan cannot be reached (${name})`);
      assert.match(String(said), hint);
    });
  }
});

describe('a certificate', () => {
  for (const [name, code, hint] of [
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'mqtt_certificate', /Set MQTT_CA_FILE to this certificate/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'mqtt_certificate', /Set MQTT_CA_FILE to its certificate/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'mqtt_certificate', /the certificate of the issuer/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'mqtt_certificate', /the certificate of the issuer/],
    ['CERT_HAS_EXPIRED', 'mqtt_certificate', /Renew the certificate/],
    ['CERT_NOT_YET_VALID', 'mqtt_certificate', /not valid yet/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'mqtt_certificate', /another name/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'mqtt_client_certificate', /MQTT_CERT_FILE and MQTT_KEY_FILE/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'mqtt_client_certificate', /MQTT_CERT_FILE/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'mqtt_tls', /mqtts:\/\//],
    ['EPROTO', 'mqtt_tls', /8883/],
  ] as const) {
    test(name, () => {
      const trouble = asBrokerTrouble(withCode(name), BROKER);
      assert.deepEqual([trouble.code, trouble.recovery], [code, 'settings']);
      assert.match(String(trouble.hint), hint);
    });
  }
});
