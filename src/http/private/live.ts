import type { RequestHandler } from 'express';
import type { Clock } from '../../domain/clock.ts';

/** More often than this port closes silent connections (15 s), and than most proxies do (60 s). */
const HEARTBEAT_MS = 10_000;
/** When a browser retries. */
const RETRY_MS = 3_000;
/** A visible page needs one. Beyond the limit the oldest is closed, so that a new page always works. */
const MOST_WATCHERS = 32;
/** A browser that reads nothing does not watch. */
const MOST_UNREAD_BYTES = 4_096;

/**
 * Server-sent events: `change`, after which a browser fetches the page, and `beat`, which shows that the daemon is
 * alive.
 *
 * @param options.signal ends all of them
 */
export function createLive(options: {
  readonly watch: (onChange: () => void) => Disposable;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly signal: AbortSignal;
}): RequestHandler {
  const { watch, clock, signal } = options;
  const open = new Set<() => void>();
  signal.addEventListener('abort', () => {
    for (const end of open) end();
  });

  return async (request, response) => {
    response.status(200).set({ 'content-type': 'text/event-stream', connection: 'close' });
    response.write(`retry: ${RETRY_MS}\n\n`);
    if (signal.aborted || request.method === 'HEAD') return void response.end();
    const ended = new AbortController();
    const end = () => {
      open.delete(end);
      ended.abort();
      response.end();
    };
    const [endOldest] = open;
    if (open.size === MOST_WATCHERS) endOldest?.();
    open.add(end);
    response.once('close', end);

    const send = (text: string) => {
      if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
      else response.write(text);
    };
    using _watching = watch(() => send('event: change\ndata: page\n\n'));
    while (!ended.signal.aborted) {
      await clock.sleep(HEARTBEAT_MS, ended.signal);
      // This is an event, which the page receives, not a comment: an unplugged daemon closes no connection.
      if (!ended.signal.aborted) send('event: beat\ndata: alive\n\n');
    }
  };
}
