export interface Message {
  readonly topic: string;
  /** An empty payload clears a retained message. */
  readonly payload: string;
  readonly retain: boolean;
}

/** MQTT 5 and MQTT 3.1.1, by their numbers on the wire. */
export type Version = 4 | 5;

/** The broker's limits for our messages. weighbridge never exceeds them. */
export interface Terms {
  readonly version: Version;
  /** Whether it keeps messages for later subscribers. */
  readonly retains: boolean;
  /** 0 is without acknowledgements, 1 with them. */
  readonly qos: 0 | 1;
  /** The longest packet, including its header. A broker of MQTT 3.1.1 does not announce it. */
  readonly longest: number;
}

/**
 * The longest packet that we accept. Home Assistant's status and a broker's answers have some hundred bytes. A retained
 * message of 200 MB on the status topic took 460 MB of memory (November 2026).
 */
export const LONGEST_INCOMING = 16_384;

/**
 * Follows a broker's bytes from packet to packet by their headers. The package itself collects a whole packet before it
 * checks the size.
 *
 * @returns a function that takes the next bytes. It returns the length of an oversized packet as soon as its header
 * announces it.
 */
export function createPacketWatch(longest: number): (bytes: Buffer) => number | undefined {
  /** The missing bytes of the current packet's body. */
  let left = 0;
  /** The digits of the length so far: at most four of seven bits, the lowest first. Undefined between packets. */
  let digits: number[] | undefined;

  return (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (left > 0) {
        const step = Math.min(left, bytes.length - at);
        left -= step;
        at += step;
        continue;
      }
      const byte = bytes.readUInt8(at);
      at += 1;
      if (digits === undefined) {
        digits = [];
        continue;
      }
      digits.push(byte & 0x7f);
      if (byte >= 0x80 && digits.length < 4) continue;
      const length = digits.reduce((sum, digit, index) => sum + digit * 128 ** index, 0);
      if (1 + digits.length + length > longest) return length;
      left = length;
      digits = undefined;
    }
    return undefined;
  };
}

/** The length of a PUBLISH on the wire, including its header: MQTT 5, section 3.3, without properties. */
export function publishBytes({ topic, payload }: Message, { version, qos }: Pick<Terms, 'version' | 'qos'>): number {
  const packetId = qos === 0 ? 0 : 2;
  const properties = version === 5 ? 1 : 0;
  const body = 2 + Buffer.byteLength(topic) + packetId + properties + Buffer.byteLength(payload);
  return 1 + (body < 128 ? 1 : body < 16_384 ? 2 : body < 2_097_152 ? 3 : 4) + body;
}
