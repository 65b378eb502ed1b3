import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { printHealthz } from '../../src/cli/healthz.ts';
import type { Shell } from '../../src/cli/shell.ts';
import { freePort } from '../support/free-port.ts';
import { openPort, WELL } from '../support/private-port.ts';
import { createShell } from '../support/shell.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** Runs the command with these settings. */
async function healthz(env: Readonly<Record<string, string>>, known: Partial<Shell> = {}) {
  const printed: string[] = [];
  const said: string[] = [];
  const shell = createShell({
    env,
    print: (line) => void printed.push(line),
    say: (line) => void said.push(line),
    ...known,
  });
  return { code: await printHealthz(shell), printed, said };
}

const TROUBLE = { code: 'x', text: 'the disk is full', since: new Date(), userId: undefined, isLasting: true };

describe('weighbridge healthz', () => {
  test('prints the answer of /healthz, and succeeds if there is no trouble', async () => {
    await using opened = await openPort();
    const { code, printed, said } = await healthz({ STATUS_PORT: `${opened.port}` });
    assert.deepEqual([code, said], [0, []]);
    const { status, users } = JSON.parse(printed.join('\n'));
    assert.deepEqual([status, users.length], ['ok', 1]);
  });

  test('fails and prints the trouble if there is one', async () => {
    const look = async () => ({ ...WELL, troubles: [TROUBLE] });
    await using opened = await openPort({ look });
    const { code, printed } = await healthz({ STATUS_PORT: `${opened.port}` });
    assert.equal(code, 1);
    assert.match(printed.join(), /"status":"trouble".*the disk is full/);
  });

  test('sends the password from any place of the settings', async () => {
    await using directory = await temporaryDirectory();
    const file = `${directory.path}/password`;
    await writeFile(file, 'correct-hörse\n');
    await using opened = await openPort({ password: 'correct-hörse' });
    const STATUS_PORT = `${opened.port}`;
    assert.equal((await healthz({ STATUS_PORT, STATUS_HOST: '0.0.0.0', STATUS_PASSWORD: 'correct-hörse' })).code, 0);
    assert.equal((await healthz({ STATUS_PORT, STATUS_PASSWORD_FILE: file })).code, 0);
    const wrong = await healthz({ STATUS_PORT, STATUS_PASSWORD: 'wrong' });
    assert.equal(wrong.code, 1);
    assert.match(wrong.printed.join(), /the password from STATUS_PASSWORD/);
  });

  test('fails if no weighbridge answers, and names the port and the reason', async () => {
    const STATUS_PORT = `${await freePort()}`;
    const { code, printed, said } = await healthz({ STATUS_PORT });
    assert.deepEqual([code, printed], [1, []]);
    assert.match(
      said.join(),
      new RegExp(
        `does not answer at http://127\\.0\\.0\\.1:${STATUS_PORT}/.* \\(ECONNREFUSED\\),Start it with "weighbridge serve"\\. For a service: sudo weighbridge service status\\.$`,
      ),
    );
  });

  test('ends on a stop during a wait for the answer', async () => {
    const stop = new AbortController();
    await using silent = createServer((socket) => {
      socket.resume().on('error', () => undefined);
      stop.abort();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { readonly port: number };
    const { code } = await healthz({ STATUS_PORT: `${port}` }, { signal: stop.signal });
    assert.equal(code, 1);
  });

  test('checks nothing and reports that the port is off', async () => {
    const { code, said } = await healthz({ STATUS_PORT: '0' });
    assert.equal(code, 0);
    assert.match(said.join(), /skipped: STATUS_PORT=0/);
  });
});
