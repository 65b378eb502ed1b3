import type { Reading } from '../../domain/reading.ts';

/**
 * A reading as a point in InfluxDB's line protocol, with its time in nanoseconds: the same series as that of
 * `deploy/hooks/influxdb.sh`. Values are in SI units, under the keys of the journal.
 *
 * @param name of the person, if `USER_NAMES` has one
 * @returns an empty string if there are no measures: a point needs a value
 */
export function formatInfluxLine({ userId, takenAt, measures }: Reading, name = ''): string {
  const fields = Object.entries(measures).map(([key, value]) => `${key}=${value}`);
  if (fields.length === 0) return '';
  const tag = formatTag(name);
  const tags = tag === '' ? '' : `,name=${tag}`;
  return `weighbridge,userid=${userId}${tags} ${fields.join(',')} ${takenAt.getTime()}000000\n`;
}

/** A line break would end the line, and a final backslash would escape the next sign. Neither can be escaped. */
function formatTag(text: string): string {
  return text
    .replaceAll(/[\r\n]/g, ' ')
    .replace(/\\+$/, '')
    .replaceAll(/[,= ]/g, String.raw`\$&`);
}
