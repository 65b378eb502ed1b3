import { readFileSync } from 'node:fs';
import { parseMeasurePage } from '../../src/withings/wire.ts';

/** The emitted tests run in dist/test/, and tsc copies no JSON. */
const CASES = new URL('../../../test/fixtures/cases/', import.meta.url);

/** An input from the field, decoded: the name of a file in test/fixtures/cases/. */
export function readCase(name: string) {
  return JSON.parse(readFileSync(new URL(name, CASES), 'utf8'));
}

/** Returns an answer of Withings with these groups. */
export function answerWith(groups: readonly unknown[], updatedAt: Date) {
  const { nextOffset, isCutOff, ...page } = parseMeasurePage({ measuregrps: groups });
  return { ...page, updatedAt, complete: nextOffset === undefined && !isCutOff };
}
