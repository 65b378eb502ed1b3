import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** The flags of a response with recursion available, without an error or with NXDOMAIN. */
const FOUND = 0x8180;
const NO_SUCH_NAME = 0x8183;
const TYPE_A = 1;
const HEADER_BYTES = 12;

/** Starts a DNS server on 127.0.0.1 for the IPv4 address of one name. It requires port 53. */
export async function startNameServer(name: string, address: string): Promise<AsyncDisposable> {
  const socket = createSocket('udp4');
  const wanted = Buffer.concat([
    ...name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`)),
    Buffer.from([0]),
  ]);
  socket.on('message', (query, { port, address: asker }) => {
    const end = query.indexOf(0, HEADER_BYTES) + 5;
    const question = query.subarray(HEADER_BYTES, end);
    const isKnown = question.subarray(0, -4).equals(wanted);
    const answers = isKnown && question.readUInt16BE(question.length - 4) === TYPE_A ? 1 : 0;
    const header = Buffer.alloc(HEADER_BYTES);
    query.copy(header, 0, 0, 2);
    for (const [index, word] of [isKnown ? FOUND : NO_SUCH_NAME, 1, answers].entries())
      header.writeUInt16BE(word, 2 + 2 * index);
    // The name as above, type A, class IN, good for a minute, four bytes.
    const record = [0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)];
    socket.send(Buffer.concat([header, question, Buffer.from(answers === 1 ? record : [])]), port, asker);
  });
  socket.bind(53, '127.0.0.1');
  await once(socket, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}
