import type { Log, LogEntry } from '../../src/domain/log.ts';

export interface RecordingLog extends Log {
  readonly entries: readonly (LogEntry & { readonly level: keyof Log })[];
  /** The texts of one event, in order. */
  texts(event: string): string[];
}

export function createRecordingLog(): RecordingLog {
  const entries: (LogEntry & { readonly level: keyof Log })[] = [];
  const at = (level: keyof Log) => (entry: LogEntry) => void entries.push({ ...entry, level });
  return {
    entries,
    texts: (event) => entries.filter((entry) => entry.event === event).map((entry) => entry.text),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}
