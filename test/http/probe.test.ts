import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listen } from '../../src/http/listen.ts';
import { createProof, DIRECTORY_HEADER, NONCE_HEADER, PROOF_HEADER, probeCallback } from '../../src/http/probe.ts';
import { createPublicApp } from '../../src/http/public/app.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { createRecordingLog } from '../support/recording-log.ts';

const DIRECTORY = '/home/pi/weighbridge/tokens';
const prove = createProof('client-secret');

/** A daemon that keeps its logins in `DIRECTORY`. */
async function openDaemon() {
  const app = createPublicApp({
    path: '/hook',
    query: new URLSearchParams(),
    trustProxy: false,
    onNotification: () => Promise.resolve(true),
    onRedirect: () => Promise.resolve('working'),
    prove,
    directory: DIRECTORY,
    people: { names: new Map(), unit: 'kg' },
    clock: realClock,
    log: createRecordingLog(),
  });
  const listener = await listen(app, { host: '127.0.0.1', port: 0 });
  return { ...listener, url: `http://127.0.0.1:${listener.port}/hook` };
}

describe('the probe', () => {
  it('finds the own daemon, and whether it uses the same tokens directory', async () => {
    await using daemon = await openDaemon();
    for (const [secret, directory, isOurs, isHere] of [
      ['client-secret', DIRECTORY, true, true],
      ['client-secret', '/elsewhere', true, false],
      ['client-secret', undefined, true, false],
      ['another-secret', DIRECTORY, false, false],
    ] as const) {
      const found = await probeCallback(daemon.url, createProof(secret), directory);
      assert.deepEqual([found.status, found.isOurs, found.isHere], [200, isOurs, isHere], `${secret} ${directory}`);
    }
  });

  it('reveals nothing without a nonce', async () => {
    await using daemon = await openDaemon();
    const { headers } = await fetch(daemon.url, { method: 'HEAD' });
    assert.deepEqual([headers.get(PROOF_HEADER), headers.get(DIRECTORY_HEADER)], [null, null]);
  });

  it('does not confirm a guessed directory, whatever nonces a stranger sends', async () => {
    await using daemon = await openDaemon();
    const ask = async (nonce: string) => {
      const { headers } = await fetch(daemon.url, { method: 'HEAD', headers: { [NONCE_HEADER]: nonce } });
      return [headers.get(PROOF_HEADER) ?? assert.fail(), headers.get(DIRECTORY_HEADER) ?? assert.fail()] as const;
    };
    const seen: string[] = [];
    // The texts between nonce and directory, as a stranger would try them.
    for (const nonce of ['n', `n ${DIRECTORY}`, `n\t${DIRECTORY}`, `n${DIRECTORY}`, `n, ${DIRECTORY}`]) {
      seen.push(...(await ask(nonce)));
    }
    assert.equal(new Set(seen).size, seen.length, 'no proof of one kind is one of the other');
  });
});

describe('a proof', () => {
  it('of a nonce is never a proof of a directory, even with line ends in the nonce', () => {
    assert.notEqual(prove(`n\n${DIRECTORY}`), prove('n', DIRECTORY));
    assert.notEqual(prove('n'), prove('n', ''));
    assert.notEqual(prove('n', DIRECTORY), prove('m', DIRECTORY));
  });
});
