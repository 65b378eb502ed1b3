import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { checkBroker } from '../../../src/doctor/publishers.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { readCertificates } from '../../../src/publishers/mqtt/certificates.ts';
import { type Broker, MOSQUITTO_IS_MISSING, startMosquitto } from '../../support/broker.ts';
import { fixturePath } from '../../support/fixture.ts';
import { createLocalAuthority, type LocalAuthority, OPENSSL_IS_MISSING } from '../../support/local-authority.ts';
import { createMqttHome, reading, startMqttBench } from '../../support/mqtt-bench.ts';
import { ANNA } from '../../support/people.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const CA_FILE = fixturePath('tls/ca.pem');

describe('a client certificate', { skip: OPENSSL_IS_MISSING }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let authority: LocalAuthority;
  before(async () => {
    directory = await temporaryDirectory();
    authority = createLocalAuthority(directory.path);
  });
  after(() => directory[Symbol.asyncDispose]());

  const ours = () => ({ certFile: authority.certificateFile, keyFile: authority.keyFile });

  describe('in its files', () => {
    const troubleWith = async (files: { readonly certFile?: string; readonly keyFile?: string }) => {
      const error = await readCertificates({ caFile: undefined, ...ours(), ...files }).catch((each: unknown) => each);
      assert.ok(error instanceof Trouble, String(error));
      assert.equal(error.recovery, 'settings');
      return `${error.message}; ${error.hint}`;
    };

    it('is read with its key', async () => {
      const { cert, key, ca } = await readCertificates({ caFile: CA_FILE, ...ours() });
      assert.ok(cert && key && ca);
    });

    it('is reported by its setting if a file is unreadable', async () => {
      assert.match(
        await troubleWith({ certFile: '/nowhere/a.pem' }),
        /\/nowhere\/a\.pem \(ENOENT\); Set MQTT_CERT_FILE to/,
      );
      assert.match(
        await troubleWith({ keyFile: '/nowhere/b.pem' }),
        /\/nowhere\/b\.pem \(ENOENT\); Set MQTT_KEY_FILE to/,
      );
    });

    it('is reported if a file is a FIFO, a device, or huge', async () => {
      const fifo = `${directory.path}/fifo.pem`;
      execFileSync('mkfifo', [fifo]);
      const huge = `${directory.path}/huge.pem`;
      await writeFile(huge, '');
      await truncate(huge, 2 ** 30);
      assert.match(await troubleWith({ certFile: fifo }), /fifo\.pem \(not a regular file\); Set MQTT_CERT_FILE to/);
      assert.match(await troubleWith({ keyFile: '/dev/zero' }), /\/dev\/zero \(not a regular file\)/);
      assert.match(await troubleWith({ certFile: huge }), /huge\.pem \(too large: 1073741824 bytes\)/);
    });

    it('is reported if a file has other content, another key, or a passphrase', async () => {
      const odd = `${directory.path}/odd.pem`;
      await writeFile(odd, 'not a certificate\n');
      assert.match(await troubleWith({ certFile: odd }), /odd\.pem is not a PEM certificate/);
      assert.match(await troubleWith({ keyFile: odd }), /cannot use the key \S+odd\.pem/);
      const other = fixturePath('tls/localhost-key.pem');
      assert.match(
        await troubleWith({ keyFile: other }),
        /localhost-key\.pem is not the key of \S+fullchain\.pem; Set MQTT_CERT_FILE/,
      );
      const locked = `${directory.path}/locked.pem`;
      execFileSync('openssl', ['pkey', '-in', authority.keyFile, '-aes256', '-passout', 'pass:x', '-out', locked]);
      assert.match(await troubleWith({ keyFile: locked }), /cannot use the key \S+locked\.pem .*without a passphrase/);
    });
  });

  for (const version of ['tlsv1.3', 'tlsv1.2']) {
    describe(`with a Mosquitto that requires one (${version})`, { skip: MOSQUITTO_IS_MISSING }, () => {
      const start = (): Promise<Broker> =>
        startMosquitto({
          settings: [
            `certfile ${fixturePath('tls/localhost.pem')}`,
            `keyfile ${fixturePath('tls/localhost-key.pem')}`,
            `cafile ${authority.caFile}`,
            'require_certificate true',
            'use_identity_as_username true',
            `tls_version ${version}`,
          ],
        });
      const check = async (broker: Broker, files: { readonly certFile?: string; readonly keyFile?: string }) => {
        const login = { url: new URL(broker.url), username: undefined, password: undefined, channel: undefined };
        const topics = { prefix: 'weighbridge', discoveryPrefix: 'homeassistant' };
        const pair = { certFile: undefined, keyFile: undefined, ...files };
        const findings = await checkBroker(
          { ...login, ...topics, caFile: CA_FILE, ...pair },
          new AbortController().signal,
        );
        return findings.map(({ mark, text, remedy }) => `${mark} ${text}; ${remedy}`).join('\n');
      };

      it('accepts weighbridge', async () => {
        await using broker = await start();
        await using bench = startMqttBench(broker.url, createMqttHome(ANNA), {
          broker: { caFile: CA_FILE, ...ours() },
        });
        await bench.deliver(reading(ANNA, 81.25, '2026-11-20T05:59:00Z'));
        assert.deepEqual(bench.log.texts('trouble'), []);
        assert.match(await check(broker, ours()), /^ok .* accepts weighbridge .* and its messages/);
      });

      it('is reported as required if it is missing or issued by a stranger', async () => {
        await using broker = await start();
        const wanted = /requires a different client certificate \(ERR_SSL_\w+\); Set MQTT_CERT_FILE and MQTT_KEY_FILE/;
        await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { broker: { caFile: CA_FILE } });
        const error = await bench.deliver(reading(ANNA, 81.25, '2026-11-20T05:59:00Z')).catch((each: unknown) => each);
        assert.ok(error instanceof Trouble);
        assert.match(`${error.message}; ${error.hint}`, wanted);
        assert.match(await check(broker, {}), wanted);
        const stranger = { certFile: fixturePath('tls/valid.pem'), keyFile: fixturePath('tls/key.pem') };
        assert.match(await check(broker, stranger), wanted);
      });
    });
  }
});
