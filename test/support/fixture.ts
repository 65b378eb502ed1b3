import { readFileSync } from 'node:fs';

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
