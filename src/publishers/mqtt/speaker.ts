import { asTrouble } from '../../domain/trouble.ts';
import type { Connection, Message } from './connection.ts';
import type { LinkTroubles } from './reconnect.ts';
import { NOT_NOW, REFUSED } from './trouble.ts';

/** Publishes to a broker that may refuse one topic and still take the others. */
export function createSpeaker(troubles: LinkTroubles) {
  /** By topic: the last message, if the broker has refused it, and the code that says whether for good. */
  const refusals = new Map<string, { readonly code: string; readonly message: Message }>();

  const forget = (topic: string) => {
    const code = refusals.get(topic)?.code;
    refusals.delete(topic);
    const isLast = ![...refusals.values()].some((each) => each.code === code);
    if (code !== undefined && isLast) troubles.over(new Set([code]));
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
      await connection.publish(message);
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
    /** Publishes once more what the broker has refused for the moment. */
    async retry(connection: Connection): Promise<void> {
      const passing = [...refusals.values()].filter(({ code }) => code === NOT_NOW);
      for (const { message } of passing) await say(connection, message);
    },
    /** Whether the broker has refused the last message on this topic. */
    isRefused: (topic: string): boolean => refusals.has(topic),
  };
}
