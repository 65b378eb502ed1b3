import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SETTINGS } from '../src/config/config.ts';

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url));

/** One thing has one name. These are other names of things that have one, and what to say instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  ...words('status', 'vitals', 'standing', 'standings', 'record', 'records', 'health'),
  ...words('action needed', 'matter', 'matters'),
  ...words('retry', 'again', 'patiently'),
  ...words('concurrency limit', 'lane', 'lanes'),
  ...words('rate limit', 'pace', 'paces'),
  ...words('throttle', 'seldom'),
  ...words('watchdog or liveness', 'pulse', 'supervise', 'supervised', 'supervision', 'supervisor'),
  ...words('offset or directory', 'place', 'places'),
  ...words('repair or recover', 'mend', 'mends', 'mended', 'heal', 'heals', 'healed'),
};

/** Names in which such a word means something else. */
const RIGHT = new Set([
  // An object of keys and values, as TypeScript's own Record.
  'isRecord',
]);

function words(instead: string, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, instead]));
}

/** What is wrong in a name in camel case, kebab case or capitals. `healthz` is a word of its own. */
function objections(name: string): readonly string[] {
  if (RIGHT.has(name)) return [];
  const parts = name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [];
  return parts.flatMap((part) => {
    const instead = INSTEAD[part.toLowerCase()];
    return instead === undefined ? [] : [`${name}: "${part}" is ${instead}`];
  });
}

describe('one word per thing', () => {
  it('tells words in names apart', () => {
    assert.deepEqual(objections('healthz-route.ts'), []);
    assert.deepEqual(objections('recorded'), []);
    assert.equal(objections('PersonVitals').length, 1);
    assert.equal(objections('stored-records.ts').length, 1);
    assert.equal(objections('MAX_LANES').length, 1);
  });

  it('holds for files and folders', async () => {
    const paths = await readdir(SOURCE, { recursive: true });
    assert.deepEqual(paths.flatMap(objections), []);
  });

  it('holds for what modules export', async () => {
    const found: string[] = [];
    for (const path of await readdir(SOURCE, { recursive: true })) {
      if (path.endsWith('.ts'))
        found.push(...exportsOf(await readFile(join(SOURCE, path), 'utf8')).flatMap(objections));
    }
    assert.deepEqual(found, []);
  });

  it('holds for settings', () => {
    assert.deepEqual(Object.keys(SETTINGS).flatMap(objections), []);
  });
});

/** Declarations are the one form of export here: the linter refuses barrels and default exports. */
function exportsOf(text: string): readonly string[] {
  const declared = text.matchAll(/^export (?:async )?(?:function\*?|const|let|class|interface|type) (\w+)/gm);
  return [...declared].map(([, name = '']) => name);
}
