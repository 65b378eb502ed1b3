import { formatTime } from '../../domain/clock.ts';
import { AMBIGUOUS } from '../../domain/measure.ts';
import { type Reading, readingFields } from '../../domain/reading.ts';
import { parseUserId } from '../../domain/token.ts';

/**
 * One line of the journal, without its newline.
 *
 * @param history marks a line that no publisher is to have
 */
export function formatLine(reading: Reading, history = false): string {
  return JSON.stringify({
    ...readingFields(reading),
    ...(history ? { history } : {}),
  });
}

/** A line as it stands in the journal, and what it says. */
export interface JournalLine {
  readonly text: string;
  /** When it was measured, with the offset of the place. */
  readonly date: string;
  /** A backfill has fetched it: no publisher is to have it. */
  readonly history: boolean;
  readonly reading: Reading;
}

/** Undefined for a line that is not a reading. */
export function parseLine(text: string): Reading | undefined {
  return decodeLine(text)?.reading;
}

/** Undefined for a line that is not a reading. */
export function decodeLine(text: string): JournalLine | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(line)) return undefined;
  const { grpid, timestamp, modified, attrib, deviceid, model, measures } = line;
  const userId = parseUserId(line['userid']);
  if (userId === undefined || !isRecord(measures)) return undefined;
  if (!isInteger(grpid) || !isTime(timestamp) || !isTime(modified) || !isInteger(attrib)) return undefined;
  const takenAt = new Date(timestamp * 1000);
  const date = typeof line['date'] === 'string' ? line['date'] : undefined;
  const reading = {
    userId,
    groupId: grpid,
    takenAt,
    modifiedAt: new Date(modified * 1000),
    attribution: attrib,
    ambiguous: attrib === AMBIGUOUS,
    deviceId: typeof deviceid === 'string' ? deviceid : undefined,
    model: typeof model === 'string' ? model : undefined,
    timeZone: date === undefined ? undefined : OFFSET.exec(date)?.[0],
    measures: Object.fromEntries(Object.entries(measures).filter(isMeasure)),
  };
  return { text, date: date ?? formatTime(takenAt, undefined), history: line['history'] === true, reading };
}

/** Where a time ends. */
const OFFSET = /[+-][0-9]{2}:[0-9]{2}$/;

function isMeasure(entry: [string, unknown]): entry is [string, number] {
  return typeof entry[1] === 'number' && Number.isFinite(entry[1]);
}

/** The last second a `Date` can hold. */
const LAST_SECOND = 8_640_000_000_000;

function isTime(value: unknown): value is number {
  return isInteger(value) && Math.abs(value) <= LAST_SECOND;
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
