import { formatTime } from '../../domain/clock.ts';
import { parseSeconds } from '../../domain/dates.ts';
import { AMBIGUOUS } from '../../domain/measure.ts';
import { HELD_REASONS, type Reading, readingFields, WITHDRAWN_REASONS } from '../../domain/reading.ts';
import { parseUserId } from '../../domain/token.ts';
import { isFields, parseFields, textOf } from '../json.ts';

/**
 * One line of the journal, without its newline.
 *
 * @param history marks a line that no publisher gets
 */
export function formatLine(reading: Reading, history = false): string {
  return JSON.stringify({ ...readingFields(reading), ...(history ? { history } : {}) });
}

/** A line of the journal, and its reading. */
export interface JournalLine {
  readonly text: string;
  /** When it was measured, with the offset of its time zone. */
  readonly date: string;
  /** A backfill fetched it, so no publisher gets it. */
  readonly history: boolean;
  readonly reading: Reading;
}

/** Undefined if the line is not a reading. */
export function parseLine(text: string): JournalLine | undefined {
  const line = parseFields(text);
  const { grpid, attrib, date, deviceid, model, measures } = line;
  const userId = parseUserId(line['userid']);
  const takenAt = parseSeconds(line['timestamp']);
  const modifiedAt = parseSeconds(line['modified']);
  if (userId === undefined || takenAt === undefined || modifiedAt === undefined) return undefined;
  if (!isInteger(grpid) || !isInteger(attrib) || !isFields(measures)) return undefined;
  const writtenDate = textOf(date);
  const reading = {
    userId,
    groupId: grpid,
    takenAt,
    modifiedAt,
    attribution: attrib,
    ambiguous: attrib === AMBIGUOUS,
    deviceId: textOf(deviceid),
    model: textOf(model),
    timeZone: writtenDate && OFFSET.exec(writtenDate)?.[0],
    measures: onlyNumbers(measures),
    // A reason of a newer version, or one written by hand, must not let it count.
    held: textOf(line['held']) === undefined ? undefined : (oneOf(HELD_REASONS, line['held']) ?? 'jump'),
    withdrawn: line['withdrawn'] === true ? (oneOf(WITHDRAWN_REASONS, line['reason']) ?? 'forgotten') : undefined,
  };
  return {
    text,
    date: writtenDate ?? formatTime(takenAt, undefined),
    history: line['history'] === true,
    reading,
  };
}

function oneOf<T>(known: readonly T[], value: unknown): T | undefined {
  return known.find((each) => each === value);
}

/** The UTC offset at the end of a time. */
const OFFSET = /[+-][0-9]{2}:[0-9]{2}$/;

/** The same fields if all are numbers, as in each line that weighbridge wrote. */
function onlyNumbers(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, number>> {
  return isNumbers(fields) ? fields : Object.fromEntries(Object.entries(fields).filter(isMeasure));
}

function isNumbers(fields: Readonly<Record<string, unknown>>): fields is Readonly<Record<string, number>> {
  return Object.values(fields).every(Number.isFinite);
}

function isMeasure(entry: [string, unknown]): entry is [string, number] {
  return Number.isFinite(entry[1]);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

const NEWLINE = 0x0a;

/** The whole lines in a piece of the journal, each without its newline, with its offset. */
export function* wholeLines(bytes: Buffer): Generator<{ readonly at: number; readonly line: Buffer }> {
  let at = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, at)) {
    yield { at, line: bytes.subarray(at, end) };
    at = end + 1;
  }
}

/** The bytes of the whole lines. */
export function wholeLength(bytes: Buffer): number {
  return bytes.lastIndexOf(NEWLINE) + 1;
}
