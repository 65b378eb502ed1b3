import { MEASURE_TYPES } from '../../domain/measure.ts';
import type { UserId } from '../../domain/token.ts';
import type { JournalLine } from './line.ts';

const MEASURES = Object.values(MEASURE_TYPES).map(({ key }) => key);

/**
 * The columns never depend on the content of the journal, so that two files always fit together. `other` is a JSON
 * object of the measures that have no column: segments of the body, and types without a name. `held` is the reason why
 * a reading is held, and empty if it counts.
 */
export const CSV_COLUMNS: readonly string[] = [
  ...['userid', 'name', 'grpid', 'date', 'timestamp', 'modified', 'attrib', 'ambiguous', 'deviceid', 'model'],
  ...MEASURES,
  'other',
  'held',
];

const HAS_COLUMN: ReadonlySet<string> = new Set(MEASURES);

export const CSV_HEADER = formatRow(CSV_COLUMNS);

/**
 * A line of the journal as a row. Times are seconds since 1970, except `date`. Measures are in SI units.
 *
 * @param name of the person, if `USER_NAMES` has one
 */
export function formatCsvRow({ date, reading }: JournalLine, name = ''): string {
  const { measures } = reading;
  const other = Object.entries(measures).filter(([key]) => !HAS_COLUMN.has(key));
  return formatRow([
    reading.userId,
    guard(name),
    reading.groupId,
    date,
    reading.takenAt.getTime() / 1000,
    reading.modifiedAt.getTime() / 1000,
    reading.attribution,
    reading.ambiguous,
    guard(reading.deviceId ?? ''),
    guard(reading.model ?? ''),
    ...MEASURES.map((key) => measures[key] ?? ''),
    other.length === 0 ? '' : JSON.stringify(Object.fromEntries(other)),
    reading.held ?? '',
  ]);
}

/** The header, and a row for each line. */
export async function* toCsv(
  lines: AsyncIterable<JournalLine>,
  names: ReadonlyMap<UserId, string>,
): AsyncGenerator<string> {
  yield CSV_HEADER;
  for await (const line of lines) yield formatCsvRow(line, names.get(line.reading.userId));
}

/** Makes fewer and larger writes: a system call for each line takes longer than formatting it. */
const CHUNK_LETTERS = 64 * 1024;

export async function* inChunks(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let chunk = '';
  for await (const text of texts) {
    chunk += text;
    if (chunk.length < CHUNK_LETTERS) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

/** A spreadsheet runs a text that begins like this, also with a full-width sign. Spreadsheets write this mark. */
function guard(text: string): string {
  return /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
}

/** RFC 4180: lines end with CR LF, and a field with a quote, a comma or a line break in it is quoted. */
function formatRow(fields: readonly (string | number | boolean)[]): string {
  return `${fields.map((field) => quote(String(field))).join(',')}\r\n`;
}

function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
