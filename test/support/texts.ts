import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConditionalExpression, type Literal, type Node, parse, type TemplateLiteral } from 'acorn';
import { simple } from 'acorn-walk';

/** The compiled tree: its strings are those of `src/`, and JavaScript is all that the parser reads. */
const COMPILED = fileURLToPath(new URL('../../src/', import.meta.url));

/** The compiler's own helper for `using` contains these messages. */
const HELPER = /^(Symbol\.\w+ is not defined|Object not disposable|An error was suppressed)/;

export interface Text {
  /** The path below `src/`. */
  readonly file: string;
  /** An ellipsis stands for each value that is put into it. */
  readonly text: string;
}

/** A style sheet has no words. */
const STYLE_SHEET = /^[^<]*\{\n? ?[a-z-]+: [^}]*;/;

/** Returns the strings of a module with at least two words, which may be texts for a person. */
export function textsIn(code: string): readonly string[] {
  const found: string[] = [];
  const add = (text: string) => {
    if (HELPER.test(text) || STYLE_SHEET.test(text)) return;
    for (const each of text.includes('<') ? wordsOf(text) : [text])
      if (/[\p{L}\d'’][^\p{L}\d]* \P{L}*[\p{L}\d]/u.test(each)) found.push(each);
  };
  simple(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as Node, {
    Literal({ value }) {
      if (typeof value === 'string') add(value);
    },
    TemplateLiteral: (node) => add(textOf(node) ?? ''),
  });
  return found;
}

/** Returns the texts of HTML for the screen and for screen readers, block by block. */
function wordsOf(html: string): readonly string[] {
  const labels = [...html.matchAll(/(?:aria-label|title|placeholder)="([^"]*)"/g)].map(([, label = '']) => label);
  const shown = html
    .replace(/<\/?(a|b|bdi|code|span|strong|time)\b[^>]*>/g, '')
    .split(/<[^>]*>?/)
    .map((each) => each.trim());
  return [...labels, ...shown];
}

/** Returns the text of a string or a template; undefined for any other expression. */
function textOf(node: Node): string | undefined {
  if (node.type === 'Literal')
    return typeof (node as Literal).value === 'string' ? `${(node as Literal).value}` : undefined;
  if (node.type !== 'TemplateLiteral') return undefined;
  return (node as TemplateLiteral).quasis.map(({ value }) => value.cooked ?? '').join('…');
}

/** The functions that create a finding or a trouble, with the fix as their last argument. */
const MAKERS: ReadonlySet<string> = new Set(['broken', 'warning', 'settings', 'passing', 'fault']);

const COMMAND = /^(chmod|mv|sudo) /;

/** Returns whether a fix is a command alone, or sentences, the last of which can end with a command. */
export function isToDo(text: string): boolean {
  return (
    COMMAND.test(text) ||
    /^Did you mean .*\?$/.test(text) ||
    (/^["A-Z…]|^weighbridge /.test(text) && /[.…]$|: (sudo|mv|rm|mkdir|mosquitto_pub|"weighbridge) ?.*$/.test(text))
  );
}

/** Returns the fixes in a module: values with such a name, and arguments of findings and troubles. */
export function hintsIn(code: string): readonly string[] {
  const found: string[] = [];
  const add = (node: Node | null | undefined) => {
    if (node?.type === 'ConditionalExpression') {
      add((node as ConditionalExpression).consequent);
      add((node as ConditionalExpression).alternate);
    }
    const text = node ? textOf(node) : undefined;
    if (text !== undefined) found.push(text);
  };
  const isHint = (name: string) => /^(hint|remedy)$/.test(name);
  simple(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) as Node, {
    Property({ key, value }) {
      if (key.type === 'Identifier' && isHint(key.name)) add(value);
    },
    VariableDeclarator({ id, init }) {
      if (id.type === 'Identifier' && isHint(id.name)) add(init);
    },
    CallExpression({ callee, arguments: given }) {
      if (callee.type === 'Identifier' && MAKERS.has(callee.name) && given.length > 1) add(given.at(-1));
    },
  });
  return found;
}

/** The texts of all of `src/` that a person may meet. */
export function collectTexts(isFor: (file: string) => boolean): Promise<readonly Text[]> {
  return collect(isFor, textsIn);
}

/** Returns the fixes in all of `src/`. */
export function collectHints(): Promise<readonly Text[]> {
  return collect(() => true, hintsIn);
}

async function collect(
  isFor: (file: string) => boolean,
  read: (code: string) => readonly string[],
): Promise<readonly Text[]> {
  const files = (await readdir(COMPILED, { recursive: true })).filter((name) => name.endsWith('.js'));
  const texts = files.toSorted().map(async (name) => {
    const file = name.replace(/\.js$/, '.ts');
    if (!isFor(file)) return [];
    return read(await readFile(join(COMPILED, name), 'utf8')).map((text) => ({ file, text }));
  });
  return (await Promise.all(texts)).flat();
}
