import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import { startHome } from '../support/home.ts';
import { ask } from '../support/private-port.ts';
import { isComplaint } from '../support/program.ts';

/** The test runs the bundle, because a tree of modules opens more files at once than the limit. */
const BUNDLE = fileURLToPath(new URL('../../bundle/main.js', import.meta.url));

/** Opens idle connections up to the limit of the port. */
async function holdIdle(port: number, count: number): Promise<readonly Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1').resume());
  for (const socket of sockets) socket.on('error', () => undefined);
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

describe('a daemon with a limit of 64 open files', () => {
  it('records weigh-ins while strangers hold idle connections to both ports', async () => {
    await using home = await startHome({ files: 64, script: BUNDLE });
    await home.link('1234');
    const port = await freePort();
    await using daemon = await home.serve({
      STATUS_PORT: `${port}`,
      HOOK_COMMAND: '/bin/true',
      LOG_LEVEL: 'info',
    });
    const sockets = await holdIdle(Number(new URL(daemon.url).port), 100);
    const others = await holdIdle(port, 100);
    const date = Math.floor(Date.now() / 1000) - 100;
    const [group] = home.sandbox.store('1234', { kilograms: 81.25, date });
    assert.equal(await daemon.notify({ userid: 1234, appli: 1, startdate: date, enddate: date + 1 }), 200);
    await daemon.reading(group?.grpid ?? 0);
    assert.equal((await ask(port)).status, 200);
    const isOpen = (socket: Socket) => !socket.destroyed;
    assert.ok(sockets.some(isOpen) && others.some(isOpen), 'strangers still hold connections');
    for (const socket of [...sockets, ...others]) socket.destroy();
    const complaints = daemon.lines.filter((line) => isComplaint(line) && line.event !== 'doctor');
    assert.deepEqual(complaints, []);
  });
});
