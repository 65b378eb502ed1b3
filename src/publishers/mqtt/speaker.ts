import type { Clock } from '../../domain/clock.ts';
import { asTrouble } from '../../domain/trouble.ts';
import type { Connection } from './connection.ts';
import type { Message } from './packet.ts';
import type { LinkTroubles } from './reconnect.ts';
import { EXCEEDED, endedAt, LOST, NOT_NOW, REFUSED } from './trouble.ts';

/** If so many connections in a row end at one topic, it is the cause: a broker may refuse a message by closing. */
const ENDS = 2;
/** How long nothing is sent to a topic at which the connection ends. */
const REST_MS = 3_600_000;

/** Publishes to a broker that may refuse one topic and accept the others. */
export function createSpeaker({
  clock,
  troubles,
}: {
  readonly clock: Pick<Clock, 'elapsedMs'>;
  readonly troubles: LinkTroubles;
}) {
  /** The last refused message by topic, with the code that shows whether the refusal is final. */
  const refusals = new Map<string, { readonly code: string; readonly message: Message }>();
  /** By topic: how many connections in a row ended during a message to it, and when the last one did. */
  const ends = new Map<string, { readonly count: number; readonly atMs: number }>();

  const forget = (topic: string) => {
    const code = refusals.get(topic)?.code;
    refusals.delete(topic);
    const isLast = ![...refusals.values()].some((each) => each.code === code);
    if (code !== undefined && isLast) troubles.over(new Set([code]));
  };
  const isResting = (topic: string) => {
    const { count = 0, atMs = 0 } = ends.get(topic) ?? {};
    return count >= ENDS && clock.elapsedMs() - atMs < REST_MS;
  };
  /** Counts an ended connection. If the broker gave a reason, one end suffices. */
  const noteEnd = (topic: string, code: string) => {
    const count = code === EXCEEDED ? ENDS : (ends.get(topic)?.count ?? 0) + 1;
    ends.set(topic, { count, atMs: clock.elapsedMs() });
  };

  /** @throws Trouble that is `REFUSED` for a topic at which the connection would end */
  const send = async (connection: Connection, message: Message) => {
    const { topic } = message;
    if (isResting(topic)) throw endedAt(message, connection.url);
    const { isOpen } = connection;
    try {
      await connection.publish(message);
      ends.delete(topic);
    } catch (error) {
      const { code } = asTrouble(error);
      if (isOpen && (code === LOST || code === EXCEEDED)) noteEnd(topic, code);
      throw error;
    }
  };

  /**
   * Publishes the message. A final refusal is only reported. A refusal for now is reported, and `retry` sends a
   * retained message later.
   *
   * @throws Trouble if the connection ended, or if the broker for now refuses a message without retain
   */
  const say = async (connection: Connection, message: Message): Promise<void> => {
    const { topic, retain } = message;
    try {
      await send(connection, message);
      forget(topic);
    } catch (error) {
      const trouble = asTrouble(error);
      const { code } = trouble;
      if (code !== REFUSED && !(code === NOT_NOW && retain)) throw error;
      if (refusals.get(topic)?.code !== code) forget(topic);
      refusals.set(topic, { code, message });
      troubles.report(trouble);
    }
  };

  return {
    say,
    /** Publishes again the messages that the broker refused for now, or an hour ago by closing the connection. */
    async retry(connection: Connection): Promise<void> {
      for (const { code, message } of [...refusals.values()]) {
        const isOver = ends.has(message.topic) && !isResting(message.topic);
        if (message.retain && (code === NOT_NOW || isOver)) await say(connection, message);
      }
    },
    /** Whether the broker refused the last message on this topic. */
    isRefused: (topic: string): boolean => refusals.has(topic),
  };
}
