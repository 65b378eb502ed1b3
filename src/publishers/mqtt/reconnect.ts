import { EventEmitter, once } from 'node:events';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { retryDelayMs } from '../../domain/retry.ts';
import { asTrouble, Trouble } from '../../domain/trouble.ts';
import type { Connection, Version } from './connection.ts';

/** The broker is often on the same machine and starts a moment later; after a while a try a minute is enough. */
const BACKOFF = { firstMs: 1_000, longestMs: 60_000 };
/** A connection that ends sooner counts as a failed one. */
const STEADY_MS = 60_000;
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
  /** For the log. */
  readonly host: string;
  readonly clock: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random: () => number;
  readonly log: Log;
  readonly troubles: LinkTroubles;
  readonly signal: AbortSignal;
}) {
  const { connect, greet, host, clock, random, log, troubles, signal } = ports;
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

  /** One connection from beginning to end; returns why it has ended. */
  const live = async (): Promise<Trouble> => {
    const connection = await connect(version, signal);
    version = connection.version;
    open = connection;
    try {
      if (signal.aborted) await connection.close();
      await greet(connection);
      troubles.contacted();
      troubles.over(met);
      met.clear();
      const text = `connected to the MQTT broker ${host} (MQTT ${connection.version === 5 ? '5' : '3.1.1'})`;
      log.info({ event: 'mqtt_connected', text });
      current = connection;
      trouble = undefined;
      changes.emit('change');
      return await connection.ended;
    } finally {
      open = undefined;
      current = undefined;
      await connection.close();
    }
  };

  const run = async () => {
    for (let failures = 0; !signal.aborted; ) {
      const startedMs = clock.elapsedMs();
      const reason = await live().catch(asTrouble);
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
