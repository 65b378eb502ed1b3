import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** The answer to a PUBLISH: the reason code of a PUBACK or of a DISCONNECT. The code 0 closes without a DISCONNECT. */
export type Answer = { readonly puback: number } | { readonly disconnect: number };

/** A broker of MQTT 5 as far as refusing goes: it passes nothing on. */
export interface Mqtt5Broker extends AsyncDisposable {
  readonly url: string;
  /** The bodies of the CONNECT and SUBSCRIBE packets, in order. */
  readonly connects: readonly Buffer[];
  readonly subscribes: readonly Buffer[];
  /** The headers of the PUBLISH packets: retained or not, with which QoS. */
  readonly publishes: readonly { readonly topic: string; readonly retain: boolean; readonly qos: number }[];
  /** Closes all connections without a reason. */
  hangUp(): void;
  /** The topics of accepted messages, in order. */
  readonly taken: readonly string[];
}

const TAKEN: Answer = { puback: 0 };

/**
 * @param options.version 4 for a broker that supports only MQTT 3.1.1
 * @param options.limits the properties of the CONNACK in wire format
 * @param options.onSubscribe the bytes to send after a SUBACK
 */
export async function startMqtt5Broker(
  answer: (topic: string, payload: Buffer) => Answer | 'silence' | undefined,
  {
    version = 5,
    limits = [],
    onSubscribe = () => undefined,
  }: {
    readonly version?: 4 | 5;
    readonly limits?: readonly number[];
    readonly onSubscribe?: (socket: Socket) => void;
  } = {},
): Promise<Mqtt5Broker> {
  const taken: string[] = [];
  const connects: Buffer[] = [];
  const subscribes: Buffer[] = [];
  const publishes: { topic: string; retain: boolean; qos: number }[] = [];
  const sockets = new Set<Socket>();

  const onConnect = (socket: Socket, body: Buffer) => {
    connects.push(body);
    // The level of MQTT stands behind its name.
    if (version === 4 && body.readUInt8(6) === 5) socket.end(Buffer.from([0x20, 2, 0, 1]));
    else if (version === 4) socket.write(Buffer.from([0x20, 2, 0, 0]));
    else socket.write(Buffer.from([0x20, 3 + limits.length, 0, 0, limits.length, ...limits]));
  };
  const onSubscription = (socket: Socket, body: Buffer) => {
    subscribes.push(body);
    const properties = version === 5 ? [0] : [];
    // The broker grants each filter. The packet has as many filters as lengths.
    const granted: number[] = [];
    for (let at = 2 + properties.length; at < body.length; at += 3 + body.readUInt16BE(at)) granted.push(1);
    socket.write(
      Buffer.from([0x90, 2 + properties.length + granted.length, ...body.subarray(0, 2), ...properties, ...granted]),
    );
    onSubscribe(socket);
  };
  const onPublish = (socket: Socket, flags: number, body: Buffer) => {
    const length = body.readUInt16BE(0);
    const topic = body.toString('utf8', 2, 2 + length);
    const qos = (flags >> 1) & 3;
    publishes.push({ topic, retain: (flags & 1) === 1, qos });
    const said = answer(topic, body.subarray(2 + length + (qos === 0 ? 0 : 2))) ?? TAKEN;
    if (said === 'silence') return;
    if ('disconnect' in said) {
      socket.end(version === 5 && said.disconnect !== 0 ? Buffer.from([0xe0, 1, said.disconnect]) : '');
      return;
    }
    if (said.puback === 0) taken.push(topic);
    if (qos === 0) return;
    const reason = version === 5 ? [said.puback] : [];
    socket.write(Buffer.from([0x40, 2 + reason.length, ...body.subarray(2 + length, 4 + length), ...reason]));
  };
  const onPacket = (socket: Socket, { type, flags, body }: Packet) => {
    if (type === 1) onConnect(socket, body);
    if (type === 3) onPublish(socket, flags, body);
    if (type === 8) onSubscription(socket, body);
    if (type === 12) socket.write(Buffer.from([0xd0, 0]));
    if (type === 14) socket.end();
  };

  const server = createServer((socket) => {
    let rest: Buffer = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let packet = firstPacket(rest); packet !== undefined; packet = firstPacket(rest)) {
        rest = rest.subarray(packet.end);
        onPacket(socket, packet);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `mqtt://127.0.0.1:${port}`,
    taken,
    connects,
    subscribes,
    publishes,
    hangUp() {
      for (const socket of sockets) socket.end();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

interface Packet {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
  readonly end: number;
}

/** The length is in groups of seven bits, the lowest first. */
function firstPacket(bytes: Buffer): Packet | undefined {
  let length = 0;
  for (let at = 1; at < bytes.length; at += 1) {
    const digit = bytes.readUInt8(at);
    length += (digit & 0x7f) * 128 ** (at - 1);
    if (digit >= 0x80) continue;
    const end = at + 1 + length;
    if (bytes.length < end) return undefined;
    const first = bytes.readUInt8(0);
    return { type: first >> 4, flags: first & 0xf, body: bytes.subarray(at + 1, end), end };
  }
  return undefined;
}
