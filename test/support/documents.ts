import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './packed.ts';

const FOLDERS = ['src', 'deploy', 'bench', 'docs', 'test', 'tools'];

/** The documents of the project, by path from the root. */
export const DOCUMENTS = [
  ...readdirSync(ROOT),
  ...FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((name) => `${folder}/${name}`),
  ),
].filter((path) => path.endsWith('.md'));

/** The documents for users. The others are about the code. */
export const USER_DOCUMENTS = DOCUMENTS.filter((path) => /^(README|docs\/[^/]+|deploy\/README)(\.md)?$/.test(path));

export function readDocument(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The first cells of the rows of a document's tables, where they begin with code. */
export function firstCells(text: string): readonly string[] {
  return [...text.matchAll(/^ *\| (`.*?) \|/gm)].map(([, cell = '']) => cell);
}

/** The code in backquotes in a piece of text. */
export function codeIn(text: string): readonly string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}
