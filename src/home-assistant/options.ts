import { readSmallFile } from '../config/small-file.ts';
import type { Source } from '../config/sources.ts';
import { errorCode } from '../domain/trouble.ts';

/**
 * The options of the app, as settings. A list becomes comma-separated. An unreadable file is reported, and counts as
 * empty.
 */
export function readOptions(path: string, warn: (line: string) => void): Source {
  try {
    const options: unknown = JSON.parse(readSmallFile(path));
    if (typeof options === 'object' && options !== null && !Array.isArray(options)) return toSettings(options);
    warn(`warning: cannot read the options in ${path}: they are not a JSON object`);
  } catch (error) {
    // The message of a JSON error contains a part of the file, which has secrets.
    const why = error instanceof SyntaxError ? 'they are not JSON' : (errorCode(error) ?? error);
    warn(`warning: cannot read the options in ${path}: ${why}`);
  }
  return {};
}

function toSettings(options: object): Source {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, textOf(value)]));
}

function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) return value.map(textOf).join(',');
  // YAML reads `on` and `off` as these two.
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
