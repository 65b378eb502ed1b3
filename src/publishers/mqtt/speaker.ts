import { Trouble } from '../../domain/trouble.ts';
import type { Connection, Message } from './connection.ts';
import type { LinkTroubles } from './reconnect.ts';
import { NOT_NOW, REFUSED } from './trouble.ts';

/** Publishes to a broker that may forbid one topic and still take the others. */
export interface Speaker {
  /**
   * Publishes it. Where the broker does not take it for good, that is told and no more: it will not change its mind.
   * Where it does not take it now, what is to stay is left for `again`, and told.
   *
   * @throws Trouble where the connection has ended, and where an event is not taken now
   */
  say(connection: Connection, message: Message): Promise<void>;
  /** Once more what was not taken then. */
  again(connection: Connection): Promise<void>;
  /** Whether the broker has not taken the last word on this topic. */
  isUnsaid(topic: string): boolean;
}

export function createSpeaker(troubles: LinkTroubles): Speaker {
  /** The topics that the broker does not take from this user. */
  const refused = new Set<string>();
  /** What is to stay and was not taken, for now. */
  const owed = new Map<string, Message>();

  const settle = (open: Set<string> | Map<string, Message>, topic: string, code: string) => {
    if (open.delete(topic) && open.size === 0) troubles.over(new Set([code]));
  };

  const onRefusal = (error: Trouble, message: Message) => {
    if (error.code === REFUSED) {
      refused.add(message.topic);
      settle(owed, message.topic, NOT_NOW);
    } else if (error.code === NOT_NOW && message.retain) owed.set(message.topic, message);
    else throw error;
    troubles.report(error);
  };

  const say = async (connection: Connection, message: Message) => {
    const { topic } = message;
    try {
      await connection.publish(message);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      onRefusal(error, message);
      return;
    }
    settle(refused, topic, REFUSED);
    settle(owed, topic, NOT_NOW);
  };

  return {
    say,
    async again(connection) {
      for (const message of [...owed.values()]) await say(connection, message);
    },
    isUnsaid: (topic) => refused.has(topic) || owed.has(topic),
  };
}
