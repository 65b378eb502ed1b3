import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The emitted tests run in dist/test/, and tsc copies no JSON. */
const FIXTURES = new URL('../../../test/fixtures/', import.meta.url);

/** An answer of Withings' as it comes over the wire: the name of a file in test/fixtures/. */
export function fixture(name: string): string {
  return readFileSync(new URL(name, FIXTURES), 'utf8');
}

/** A fixture of several answers, each as it would come over the wire. */
export function fixtures(name: string): Readonly<Record<string, string>> {
  const answers: Record<string, unknown> = JSON.parse(fixture(name));
  return Object.fromEntries(Object.entries(answers).map(([key, answer]) => [key, JSON.stringify(answer)]));
}

/** Returns the path of a fixture. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(name, FIXTURES));
}

/** A measure group as it stands in a page of Withings'. */
export const GROUP = {
  grpid: 8122000301,
  attrib: 0,
  date: 1793685500,
  created: 1793685569,
  modified: 1793685570,
  category: 1,
  deviceid: 'DEV-SCALE',
  model: 'Body+',
  modelid: 5,
  timezone: 'Europe/Lisbon',
  measures: [{ value: 72180, type: 1, unit: -3 }],
};
