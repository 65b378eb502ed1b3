import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Node, parse } from 'acorn';
import { simple } from 'acorn-walk';

/** The compiled tree: its strings are those of `src/`, and JavaScript is all that the parser reads. */
const COMPILED = fileURLToPath(new URL('../../src/', import.meta.url));

/** Messages of the compiler's own helper for `using`. */
const HELPER = /^(Symbol\.\w+ is not defined|Object not disposable|An error was suppressed)/;

export interface Text {
  /** The path below `src/`. */
  readonly file: string;
  /** An ellipsis stands for each value that is put into it. */
  readonly text: string;
}

/** What stands in the strings of a module: those with at least three words, which are texts for a person. */
export function textsIn(code: string): readonly string[] {
  const found: string[] = [];
  const add = (text: string) => {
    if (HELPER.test(text)) return;
    if (/(?:[\p{L}\d'’]+[^\p{L}\d]* ){2}/u.test(text)) found.push(text);
  };
  simple(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as Node, {
    Literal({ value }) {
      if (typeof value === 'string') add(value);
    },
    TemplateLiteral({ quasis }) {
      add(quasis.map(({ value }) => value.cooked ?? '').join('…'));
    },
  });
  return found;
}

/** The texts of all of `src/` that a person may meet outside of the pages. */
export async function collectTexts(isFor: (file: string) => boolean): Promise<readonly Text[]> {
  const files = (await readdir(COMPILED, { recursive: true })).filter((name) => name.endsWith('.js'));
  const texts = files.toSorted().map(async (name) => {
    const file = name.replace(/\.js$/, '.ts');
    if (!isFor(file)) return [];
    return textsIn(await readFile(join(COMPILED, name), 'utf8')).map((text) => ({ file, text }));
  });
  return (await Promise.all(texts)).flat();
}
