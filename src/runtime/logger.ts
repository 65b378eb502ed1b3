import { type Clock, formatTime } from '../domain/clock.ts';
import type { Log, LogEntry, LogFormat, LogLevel } from '../domain/log.ts';
import { createMask } from '../domain/secrets.ts';

const ORDER: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** The levels of syslog(3), for journald. */
const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };
const COLOURS: Readonly<Partial<Record<LogLevel, string>>> = { warn: '\u001b[33m', error: '\u001b[31m' };
const PLAIN = '\u001b[0m';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly clock: Pick<Clock, 'now'>;
  /** Takes one line without its newline. */
  readonly write: (line: string) => void;
  /** The texts that must never be printed. */
  readonly secrets: readonly string[];
  readonly colour: boolean;
  /** The lines go to journald, which takes a priority in front of each line and adds the time. */
  readonly isJournalled: boolean;
  /** The time zone of the log. */
  readonly timeZone: string;
}

/** Writes one line per entry: for people, or as JSON. */
export function createLogger(options: LoggerOptions): Log {
  const { level: least, format, clock, write, colour, isJournalled, timeZone } = options;
  const mask = createMask(options.secrets);

  const print = (level: LogLevel, { event, text, ...fields }: LogEntry) => {
    if (ORDER[level] < ORDER[least]) return;
    const time = formatTime(clock.now(), timeZone);
    const priority = isJournalled ? `<${PRIORITY[level]}>` : '';
    if (format === 'json') {
      // Programs decide by these fields, which contain no foreign text.
      const head = JSON.stringify({ level, time, event }).slice(0, -1);
      return write(`${priority}${head},${toJson({ text, ...fields }, mask).slice(1)}`);
    }
    const line = `${isJournalled ? priority : `${time} `}${level.padEnd(5)} ${mask(oneLine(text))}`;
    const tint = colour ? COLOURS[level] : undefined;
    write(tint === undefined ? line : `${tint}${line}${PLAIN}`);
  };

  return {
    debug: (entry) => print('debug', entry),
    info: (entry) => print('info', entry),
    warn: (entry) => print('warn', entry),
    error: (entry) => print('error', entry),
  };
}

/** Masks each text before it is escaped: escaping would hide a secret from the mask. */
function toJson(entry: object, mask: (text: string) => string): string {
  const printable = (_name: string, value: unknown) => {
    if (typeof value === 'string') return mask(value);
    return typeof value === 'bigint' ? String(value) : value;
  };
  const escaped = (json: string) =>
    json.replace(/[\u007f-\u009f\u2028\u2029]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`);
  try {
    return escaped(JSON.stringify(entry, printable));
  } catch (error) {
    const plain = Object.entries(entry).filter(([, value]) => typeof value === 'string');
    return escaped(JSON.stringify({ ...Object.fromEntries(plain), unprintable: String(error) }, printable));
  }
}

export function oneLine(text: string): string {
  return text.replace(/\s*[\r\n\u0085\u2028\u2029]+\s*/g, ' | ').replace(/\p{C}/gu, '?');
}
