import { EventEmitter, once } from 'node:events';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { retryDelayMs } from '../../domain/retry.ts';
import { asTrouble, Trouble } from '../../domain/trouble.ts';
import type { Connection } from './connection.ts';
import type { Version } from './packet.ts';
import { TAKEN_OVER, takenOver } from './trouble.ts';

/** The broker is often on the same machine and starts a moment later; after a while a try a minute is enough. */
const BACKOFF = { firstMs: 1_000, longestMs: 60_000 };
/** A connection that ends sooner counts as a failed one. */
const STEADY_MS = 60_000;
/**
 * So many connections in a row that the broker accepts, and soon closes without a reason while nothing is on its way:
 * another client has the same id. Mosquitto 2.0.11 gives no reason for that, and MQTT 3.1.1 has none.
 */
const CLOSINGS = 3;
/** How soon: the other client comes back after a minute at most. */
const SOON_MS = 120_000;
/** When a delivery that found no connection may try again: the broker may be back any moment, and looking costs nothing. */
const LOOK_AGAIN_MS = 10_000;

/** Reports what is wrong with the broker: once, with a reminder while it lasts, and when it is over. */
export interface LinkTroubles {
  report(trouble: Trouble): void;
  /** The troubles of these codes. */
  over(codes: ReadonlySet<string>): void;
  /** The broker is there. */
  contacted(): void;
}

/** Connects to a broker, and again whenever the connection ends, until the signal aborts. */
export function keepConnected(ports: {
  /** With that version, or another where the broker does not know it. */
  readonly connect: (preferred: Version, signal: AbortSignal) => Promise<Connection>;
  /** What every connection begins with. Where it fails, the connection is given up. */
  readonly greet: (connection: Connection) => Promise<void>;
  readonly clock: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random: () => number;
  readonly log: Log;
  readonly troubles: LinkTroubles;
  readonly signal: AbortSignal;
}) {
  const { connect, greet, clock, random, log, troubles, signal } = ports;
  /** Emits `change` when there is a connection or a trouble. */
  const changes = new EventEmitter();
  let trouble: Trouble | undefined;
  /** What has been wrong since it last worked. */
  const met = new Set<string>();
  /** The newer one first, and then the one that the broker knows. */
  let version: Version = 5;
  /** The connection, from its first moment on, and while it is of use to others. */
  let open: Connection | undefined;
  let current: Connection | undefined;

  const onStop = () => {
    changes.emit('change');
    // Also in the middle of the greeting, which a broker that has fallen silent would hold up.
    void open?.close();
  };
  signal.addEventListener('abort', onStop, { once: true });

  /** How many connections in a row have ended so. */
  let closings = 0;

  const judge = (reason: Trouble, { endedIdle, url }: Connection, openMs: number): Trouble => {
    if (!endedIdle || openMs >= SOON_MS) closings = 0;
    if (endedIdle) closings += 1;
    return closings < CLOSINGS ? reason : takenOver(url.host, closings);
  };

  /** What was wrong is over. Two clients that push each other out connect again and again: there it takes its time. */
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

  /** One connection from beginning to end; returns why it has ended. */
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
    /** Resolves when the signal has aborted and nothing is under way any more. */
    stopped: run(),
    /** The connection, if there is one now. */
    get connection(): Connection | undefined {
      return current?.isOpen === true ? current : undefined;
    },
    /**
     * The connection; waits for the end of the first attempt.
     *
     * @throws Trouble if the broker is not there; the reason of `until` if that aborts
     */
    async connected(until: AbortSignal): Promise<Connection> {
      while (current?.isOpen !== true) {
        until.throwIfAborted();
        signal.throwIfAborted();
        if (trouble !== undefined) throw lookAgain(trouble);
        if (current !== undefined) throw lookAgain(await current.ended);
        // It rejects when `until` aborts, which is seen above.
        await once(changes, 'change', { signal: until }).catch(() => undefined);
      }
      return current;
    },
  };
}

function lookAgain({ message, code, recovery, hint }: Trouble): Trouble {
  return new Trouble(message, { code, recovery, hint, waitMs: LOOK_AGAIN_MS });
}
