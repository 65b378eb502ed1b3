import type { Clock } from '../../domain/clock.ts';
import { asTrouble } from '../../domain/trouble.ts';
import type { Connection } from './connection.ts';
import type { Message } from './packet.ts';
import type { LinkTroubles } from './reconnect.ts';
import { EXCEEDED, endedAt, LOST, NOT_NOW, REFUSED } from './trouble.ts';

/** So many connections in a row that end at one topic are its doing: a broker may refuse a message by closing. */
const ENDS = 2;
/** For how long nothing is sent to a topic at which the connection ends. */
const REST_MS = 3_600_000;

/** Publishes to a broker that may refuse one topic and still take the others. */
export function createSpeaker({
  clock,
  troubles,
}: {
  readonly clock: Pick<Clock, 'elapsedMs'>;
  readonly troubles: LinkTroubles;
}) {
  /** By topic: the last message, if the broker has refused it, and the code that says whether for good. */
  const refusals = new Map<string, { readonly code: string; readonly message: Message }>();
  /** By topic: how many connections in a row have ended while a message was on its way there, and when the last did. */
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
  /** A broker that gives its reason need not give it twice. */
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
   * Publishes it. If the broker refuses it for good, that is reported and no more. If the broker refuses it now, that is
   * reported, and a retained message is left for `retry`.
   *
   * @throws Trouble if the connection has ended, or if the broker refuses now a message that is not retained
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
    /** Publishes once more what the broker has refused for the moment, or an hour ago by closing the connection. */
    async retry(connection: Connection): Promise<void> {
      for (const { code, message } of [...refusals.values()]) {
        const isOver = ends.has(message.topic) && !isResting(message.topic);
        if (message.retain && (code === NOT_NOW || isOver)) await say(connection, message);
      }
    },
    /** Whether the broker has refused the last message on this topic. */
    isRefused: (topic: string): boolean => refusals.has(topic),
  };
}
