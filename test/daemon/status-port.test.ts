import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { pageUrlOf } from '../../src/daemon/status-port.ts';

test('the page is offered at an address for other devices only if they can reach it', () => {
  const urlOf = (host: string, port: number | undefined = 3001) => pageUrlOf({ host, port }, 'raspberrypi');
  assert.deepEqual(
    ['127.0.0.1', '::1', 'localhost', '192.168.1.20', 'fd00::20', 'pi.example.org', '0.0.0.0', '::'].map((host) =>
      urlOf(host),
    ),
    [
      undefined,
      undefined,
      undefined,
      'http://192.168.1.20:3001/',
      'http://[fd00::20]:3001/',
      'http://pi.example.org:3001/',
      'http://raspberrypi.local:3001/',
      'http://raspberrypi.local:3001/',
    ],
  );
  assert.equal(pageUrlOf({ host: '0.0.0.0', port: undefined }), undefined, 'STATUS_PORT=0');
  assert.equal(pageUrlOf({ host: '0.0.0.0', port: 8080 }, 'pi.lan'), 'http://pi.lan:8080/');
});
