import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demo } from '../../src/cli/demo.ts';
import { createShell } from '../support/shell.ts';

test('the demo names its options if the port is taken', async () => {
  // An address of documentation (RFC 5737), which no machine has.
  await assert.rejects(demo(createShell({}), { host: '192.0.2.1' }), ({ message }) => {
    assert.match(message, /^cannot listen on 192\.0\.2\.1:.*Choose an address of this computer with --host/);
    assert.doesNotMatch(message, /HOST|PORT/);
    return true;
  });
});
