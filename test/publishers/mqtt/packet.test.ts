import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPacketWatch, publishBytes } from '../../../src/publishers/mqtt/packet.ts';

/** The header of a packet with a body of so many bytes. */
function header(length: number): Buffer {
  const digits: number[] = [];
  for (let rest = length; rest > 0 || digits.length === 0; rest = Math.floor(rest / 128))
    digits.push((rest % 128) + (rest >= 128 ? 128 : 0));
  return Buffer.from([0x30, ...digits]);
}
const packet = (length: number) => Buffer.concat([header(length), Buffer.alloc(length, 0xff)]);

describe('the guard of incoming packets', () => {
  it('accepts packets within the limit, however they are split', () => {
    const bytes = Buffer.concat([0, 1, 127, 128, 300, 997, 0].map(packet));
    for (const step of [1, 2, 3, 7, 1_000, bytes.length]) {
      const longestOf = createPacketWatch(1_000);
      for (let at = 0; at < bytes.length; at += step)
        assert.equal(longestOf(bytes.subarray(at, at + step)), undefined, `in pieces of ${step} at ${at}`);
    }
  });

  it('detects a long packet by its header, also after others and byte by byte', () => {
    const bytes = Buffer.concat([packet(5), packet(300), header(200_000_000)]);
    for (const step of [1, bytes.length]) {
      const longestOf = createPacketWatch(1_000);
      const found: (number | undefined)[] = [];
      for (let at = 0; at < bytes.length; at += step) found.push(longestOf(bytes.subarray(at, at + step)));
      assert.equal(found.at(-1), 200_000_000, `in pieces of ${step}`);
      assert.ok(found.slice(0, -1).every((each) => each === undefined));
    }
  });

  it('includes the header of a packet', () => {
    assert.equal(createPacketWatch(1_000)(packet(997)), undefined);
    assert.equal(createPacketWatch(1_000)(packet(998)), 998);
  });
});

describe('the length of a message on the wire', () => {
  const lengthOf = (bytes: number, version: 4 | 5, qos: 0 | 1) =>
    publishBytes({ topic: 'ä', payload: 'x'.repeat(bytes), retain: false }, { version, qos });

  it('includes header, topic, packet id and properties', () => {
    assert.equal(lengthOf(10, 4, 0), 2 + 4 + 10);
    assert.equal(lengthOf(10, 4, 1), 2 + 4 + 2 + 10);
    assert.equal(lengthOf(10, 5, 1), 2 + 4 + 2 + 1 + 10);
    assert.equal(lengthOf(120, 5, 1), 2 + 127);
    assert.equal(lengthOf(121, 5, 1), 3 + 128);
    assert.equal(lengthOf(20_000, 5, 1), 4 + 20_007);
  });
});
