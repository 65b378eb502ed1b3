import { EventEmitter, once } from 'node:events';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { retryDelayMs } from '../../domain/retry.ts';
import { asTrouble, Trouble } from '../../domain/trouble.ts';
import type { Connection } from './connection.ts';
import type { Version } from './packet.ts';
import { TAKEN_OVER, takenOver } from './trouble.ts';

/** The broker is often on the same machine and starts a moment later. After a while, a try a minute is enough. */
const BACKOFF = { firstMs: 1_000, longestMs: 60_000 };
/** A connection that ends sooner counts as a failed one. */
const STEADY_MS = 60_000;
/**
 * After so many of these endings in a row, another client has the same id: the broker accepts a connection and soon
 * closes it without a reason, with no message on its way. Mosquitto 2.0.11 gives no reason for that, and MQTT 3.1.1 has
 * none.
 */
const CLOSINGS = 3;
/** The limit of "soon": the other client comes back after a minute at most. */
const SOON_MS = 120_000;
/** When a delivery without a connection may retry: the broker may be back any moment, and looking costs nothing. */
const LOOK_AGAIN_MS = 10_000;

/** Reports troubles with the broker: once, with a reminder while they last, and at their end. */
export interface LinkTroubles {
  report(trouble: Trouble): void;
  /** The troubles with these codes are over. */
  over(codes: ReadonlySet<string>): void;
  /** The broker responded. */
  contacted(): void;
}

/** Connects to a broker, and again whenever the connection ends, until the signal aborts. */
export function keepConnected(ports: {
  /** Connects with that version, or with another that the broker accepts. */
  readonly connect: (preferred: Version, signal: AbortSignal) => Promise<Connection>;
  /** The first step of every connection. If it fails, the connection is closed. */
  readonly greet: (connection: Connection) => Promise<void>;
  readonly clock: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random: () => number;
  readonly log: Log;
  readonly troubles: LinkTroubles;
  readonly signal: AbortSignal;
}) {
  const { connect, greet, clock, random, log, troubles, signal } = ports;
  /** Emits `change` when there is a connection or a trouble. */
  const changes = new EventEmitter();
  let trouble: Trouble | undefined;
  /** The troubles since the last success. */
  const met = new Set<string>();
  /** The newer version first, and then the one that the broker accepts. */
  let version: Version = 5;
  /** The connection, from its first moment on, and the usable one for others. */
  let open: Connection | undefined;
  let current: Connection | undefined;

  const onStop = () => {
    changes.emit('change');
    // This also interrupts the greeting, which a silent broker would block.
    void open?.close();
  };
  signal.addEventListener('abort', onStop, { once: true });

  /** The number of connections in a row that ended like this. */
  let closings = 0;

  const judge = (reason: Trouble, { endedIdle, url }: Connection, openMs: number): Trouble => {
    if (!endedIdle || openMs >= SOON_MS) closings = 0;
    if (endedIdle) closings += 1;
    return closings < CLOSINGS ? reason : takenOver(url.host, closings);
  };

  /** Ends the troubles. If two clients with one id take turns, they connect again and again, so it waits. */
  const settle = async (connection: Connection) => {
    if (met.has(TAKEN_OVER)) {
      const end = new AbortController();
      void connection.ended.then(() => end.abort());
      await clock.sleep(SOON_MS, AbortSignal.any([signal, end.signal]));
      if (!connection.isOpen) return;
    }
    troubles.over(met);
    met.clear();
  };

  /** One connection from beginning to end. Returns the reason of the end. */
  const live = async (): Promise<Trouble> => {
    const connection = await connect(version, signal);
    version = connection.terms.version;
    open = connection;
    try {
      if (signal.aborted) await connection.close();
      await greet(connection);
      troubles.contacted();
      const openedMs = clock.elapsedMs();
      const text = `connected to the MQTT broker ${connection.url.host} (MQTT ${connection.terms.version === 5 ? '5' : '3.1.1'})`;
      log[met.has(TAKEN_OVER) ? 'debug' : 'info']({ event: 'mqtt_connected', text });
      current = connection;
      trouble = undefined;
      changes.emit('change');
      await settle(connection);
      return judge(await connection.ended, connection, clock.elapsedMs() - openedMs);
    } finally {
      open = undefined;
      current = undefined;
      await connection.close();
    }
  };

  const run = async () => {
    for (let failures = 0; !signal.aborted; ) {
      const startedMs = clock.elapsedMs();
      const reason = await live().catch((error) => {
        closings = 0;
        return asTrouble(error);
      });
      if (signal.aborted) return;
      trouble = reason;
      changes.emit('change');
      met.add(reason.code);
      troubles.report(reason);
      failures = clock.elapsedMs() - startedMs >= STEADY_MS ? 1 : failures + 1;
      await clock.sleep(retryDelayMs(reason, failures, random(), BACKOFF), signal);
    }
  };

  return {
    /** Resolves when the signal has aborted and all work has ended. */
    stopped: run(),
    /** The current connection, if any. */
    get connection(): Connection | undefined {
      return current?.isOpen === true ? current : undefined;
    },
    /**
     * The connection; waits for the end of the first attempt.
     *
     * @throws Trouble if the broker is not reachable; the reason of `until` if that aborts
     */
    async connected(until: AbortSignal): Promise<Connection> {
      while (current?.isOpen !== true) {
        until.throwIfAborted();
        signal.throwIfAborted();
        if (trouble !== undefined) throw lookAgain(trouble);
        if (current !== undefined) throw lookAgain(await current.ended);
        // It rejects when `until` aborts, which the loop checks above.
        await once(changes, 'change', { signal: until }).catch(() => undefined);
      }
      return current;
    },
  };
}

function lookAgain({ message, code, recovery, hint }: Trouble): Trouble {
  return new Trouble(message, { code, recovery, hint, waitMs: LOOK_AGAIN_MS });
}
