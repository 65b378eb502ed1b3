import type { Reading } from '../../domain/reading.ts';

/**
 * A reading as a point in InfluxDB's line protocol, with its time in nanoseconds: the same series as that of
 * `deploy/hooks/influxdb.sh`. Values are in SI units, under the keys of the journal.
 *
 * @param name of the person, where `USER_NAMES` has one
 * @returns nothing where nothing was measured: a point needs a value
 */
export function formatInfluxLine({ userId, takenAt, measures }: Reading, name = ''): string {
  const fields = Object.entries(measures).map(([key, value]) => `${key}=${value}`);
  if (fields.length === 0) return '';
  const tag = formatTag(name);
  const tags = tag === '' ? '' : `,name=${tag}`;
  return `weighbridge,userid=${userId}${tags} ${fields.join(',')} ${takenAt.getTime()}000000\n`;
}

/** A line break would end the line, and a backslash at the end would take the next sign with it: neither can be escaped. */
function formatTag(text: string): string {
  return text
    .replaceAll(/[\r\n]/g, ' ')
    .replace(/\\+$/, '')
    .replaceAll(/[,= ]/g, String.raw`\$&`);
}
