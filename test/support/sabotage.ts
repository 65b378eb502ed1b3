import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Home } from './home.ts';

/** Changes of one person's files during downtime, as by a power cut, a failing disk or an editor. */
export const SABOTAGES: Readonly<Record<string, (home: Home, person: string) => Promise<void>>> = {
  'a torn journal line': (home, person) =>
    appendFile(join(home.directory, 'data/measures.jsonl'), `{"userid":"${person}","grp`),
  'a garbage cursor': (home, person) => writeFile(join(home.directory, `data/cursors/${person}`), '\0\0garbage'),
  'an empty cursor': (home, person) => writeFile(join(home.directory, `data/cursors/${person}`), ''),
  'a half-written token': (home, person) => writeFile(join(home.directory, `tokens/.${person}.tmp`), 'half'),
  'a stale lock': (home, person) => writeFile(join(home.directory, `tokens/.${person}.lock`), 'pid 1, long ago'),
};
