import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** How it answers a PUBLISH: with the reason code of the PUBACK, or of a DISCONNECT. */
export type Answer = { readonly puback: number } | { readonly disconnect: number };

/** A broker of MQTT 5 as far as refusing goes: it passes nothing on. */
export interface Mqtt5Broker extends AsyncDisposable {
  readonly url: string;
  /** The topics of what was published and taken, in order. */
  readonly taken: readonly string[];
}

const TAKEN: Answer = { puback: 0 };

export async function startMqtt5Broker(answer: (topic: string) => Answer | undefined): Promise<Mqtt5Broker> {
  const taken: string[] = [];
  const sockets = new Set<Socket>();

  const onPacket = (socket: Socket, type: number, body: Buffer) => {
    if (type === 1) socket.write(Buffer.from([0x20, 3, 0, 0, 0]));
    if (type === 8) {
      // Each filter is granted; there are as many as lengths until the end.
      const granted: number[] = [];
      for (let at = 3; at < body.length; at += 3 + body.readUInt16BE(at)) granted.push(1);
      socket.write(Buffer.from([0x90, 3 + granted.length, ...body.subarray(0, 2), 0, ...granted]));
    }
    if (type === 12) socket.write(Buffer.from([0xd0, 0]));
    if (type === 14) socket.end();
    if (type !== 3) return;
    const length = body.readUInt16BE(0);
    const topic = body.toString('utf8', 2, 2 + length);
    const said = answer(topic) ?? TAKEN;
    if ('disconnect' in said) {
      socket.end(Buffer.from([0xe0, 1, said.disconnect]));
      return;
    }
    if (said.puback === 0) taken.push(topic);
    socket.write(Buffer.from([0x40, 3, ...body.subarray(2 + length, 4 + length), said.puback]));
  };

  const server = createServer((socket) => {
    let rest: Buffer = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let packet = firstPacket(rest); packet !== undefined; packet = firstPacket(rest)) {
        rest = rest.subarray(packet.end);
        onPacket(socket, packet.type, packet.body);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `mqtt://127.0.0.1:${port}`,
    taken,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The length is in groups of seven bits, the lowest first. */
function firstPacket(
  bytes: Buffer,
): { readonly type: number; readonly body: Buffer; readonly end: number } | undefined {
  let length = 0;
  for (let at = 1; at < bytes.length; at += 1) {
    const digit = bytes.readUInt8(at);
    length += (digit & 0x7f) * 128 ** (at - 1);
    if (digit >= 0x80) continue;
    const end = at + 1 + length;
    return bytes.length < end ? undefined : { type: bytes.readUInt8(0) >> 4, body: bytes.subarray(at + 1, end), end };
  }
  return undefined;
}
