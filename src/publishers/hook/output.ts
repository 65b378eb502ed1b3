import type { Readable } from 'node:stream';

/** A hook that prints more is looking for trouble, not for a reader; this much of it is kept per run. */
const MOST_LINES = 100;
const LONGEST_LINE = 500;

/** What one run prints, line by line, on both its streams together. */
export interface Output {
  /** Reads a stream to its end, whatever comes: a hook must never wait for its reader. */
  read(stream: Readable, onLine: (line: string) => void): void;
  /** How many lines were passed over. */
  omitted(): number;
}

export function createOutput(): Output {
  let count = 0;
  return {
    omitted: () => Math.max(0, count - MOST_LINES),
    read(stream, onLine) {
      let rest = '';
      const take = (line: string) => {
        const text = line.trimEnd();
        if (text === '') return;
        count += 1;
        if (count <= MOST_LINES) onLine(text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text);
      };
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        const [first = '', ...others] = chunk.split('\n');
        // One letter more than is kept shows that there was more.
        rest = (rest + first).slice(0, LONGEST_LINE + 1);
        for (const line of others) {
          take(rest);
          rest = line.slice(0, LONGEST_LINE + 1);
        }
      });
      stream.once('close', () => take(rest));
      stream.on('error', () => undefined);
    },
  };
}
