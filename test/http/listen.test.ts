import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { listen, mostConnections } from '../../src/http/listen.ts';

const limits = (files: string) => `Limit                     Soft Limit           Hard Limit           Units
Max processes             9999                 9999                 processes
Max open files            ${files.padEnd(20)} 1048576              files
`;

describe('the connections of one port', () => {
  for (const [files, most] of [
    ['64', 8],
    ['128', 40],
    ['256', 104],
    ['1024', 256],
    ['1048576', 256],
    ['32', 4],
    ['unlimited', 256],
  ] as const) {
    it(`are at most ${most} if the process can open ${files} files`, () =>
      assert.equal(mostConnections(limits(files)), most));
  }

  it('are 256 where the system lists no limits', () => assert.equal(mostConnections(''), 256));

  it('are limited, and a new one replaces the oldest', async () => {
    await using listener = await listen((_request, response) => void response.end('ok'), {
      host: '127.0.0.1',
      port: 0,
    });
    const sockets = [];
    for (let count = 0; count < 257; count += 1) {
      const socket = connect(listener.port, '127.0.0.1');
      socket.on('error', () => undefined);
      sockets.push(socket);
      await once(socket, 'connect');
    }
    const [first, second] = sockets;
    assert.ok(first && second);
    first.resume();
    await once(first, 'close');
    second.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(second, 'data');
    for (const socket of sockets) socket.destroy();
  });
});
