import { randomBytes } from 'node:crypto';
import { asTrouble, type Trouble } from '../../domain/trouble.ts';
import { type BrokerOptions, type Connection, connectAsAllowed } from './connection.ts';
import { birthTopics } from './home-assistant.ts';
import { createTopics } from './messages.ts';
import type { Message, Version } from './packet.ts';
import { EXCEEDED, endedAt, LOST, limitsOf } from './trouble.ts';

/** The length of the longest discovery message, rounded up to the next thousand. A test computes it. */
export const LONG_BYTES = 40_000;

/** A broker's answers to everything that a daemon sends. */
export interface Trial {
  readonly version: Version;
  /** The refused messages that every daemon sends. */
  readonly refusals: readonly Trouble[];
  /** The missing features, and the refused messages that some daemons send. */
  readonly limits: readonly Trouble[];
}

/**
 * Connects and publishes as a daemon does, on separate topics, and leaves nothing there. The client id differs from the
 * daemon's, because a broker ends the connection of a client with the same id.
 *
 * @throws Trouble if there is no connection; the reason of the signal when it aborts
 */
export async function tryBroker(
  options: Omit<BrokerOptions, 'clientId' | 'will'>,
  { prefix, discoveryPrefix }: { readonly prefix: string; readonly discoveryPrefix: string },
  signal: AbortSignal,
): Promise<Trial> {
  const { url } = options;
  const topic = `${prefix}/doctor`;
  const device = `${discoveryPrefix}/device/${createTopics(prefix).id}_doctor/config`;
  // The will clears the topic even if this process is killed.
  const will = { topic, payload: '', retain: true };
  const clientId = `weighbridgedoctor${randomBytes(3).toString('hex')}`;
  let version: Version = 5;
  /** Each piece of work has its own connection, because a broker may refuse by closing it. */
  const work = async (act: (connection: Connection) => Promise<void>): Promise<Trouble | undefined> => {
    const connection = await connectAsAllowed({ ...options, clientId, will }, version, signal);
    const onAbort = () => void connection.close();
    signal.addEventListener('abort', onAbort);
    try {
      version = connection.terms.version;
      await act(connection);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return asTrouble(error);
    } finally {
      signal.removeEventListener('abort', onAbort);
      await connection.close();
    }
  };
  const publish = (message: Message) => async (connection: Connection) => {
    await connection.publish(message).catch((error) => {
      const { code } = asTrouble(error);
      throw code === LOST || code === EXCEEDED ? endedAt(message, url) : error;
    });
  };
  const found = (troubles: readonly (Trouble | undefined)[]) => troubles.filter((each) => each !== undefined);

  const limits: Trouble[] = [];
  const refusals = [
    await work(async (connection) => {
      limits.push(...limitsOf(url, connection.terms));
      await publish({ topic, payload: 'weighbridge doctor', retain: true })(connection);
    }),
    await work(publish({ topic: device, payload: '', retain: true })),
  ];
  const unheard = await work((connection) => connection.subscribe(birthTopics(discoveryPrefix), () => undefined));
  const long = await work(publish({ topic, payload: 'weighbridge doctor'.padEnd(LONG_BYTES, '.'), retain: true }));
  // If the broker refuses the short message, the long one shows nothing more.
  return {
    version,
    refusals: found(refusals),
    limits: [...limits, ...found([unheard, refusals[0] ? undefined : long])],
  };
}
