import { type Reader, SettingError } from './readers.ts';

/** White space, '…', "…", \x, or anything else that means itself. */
const PIECE = /(\s+)|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+)/y;
/** What would mean something to a shell. There is none, and taken literally it would surprise. */
const FOR_A_SHELL = /[|&;<>()$`]/;
/** They quote nothing, and are meant to. */
const TYPOGRAPHIC_QUOTE = /^[“”„‟‘’‚‛«»]/;

/** A program and its arguments. Quotes and backslashes work as in a shell, and nothing else does. */
export const commandLine: Reader<readonly string[]> = (text) => {
  const words: string[] = [];
  let word: string | undefined;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  for (PIECE.lastIndex = 0; PIECE.lastIndex < text.length; ) {
    const [piece, space, single, double, escaped, plain = ''] = PIECE.exec(text) ?? [];
    if (piece === undefined) throw new SettingError('contains an open quote, or a backslash at the end');
    if (word === undefined) refuseTypographic(plain);
    if (space !== undefined) endWord();
    else word = (word ?? home(plain)) + (single ?? unquote(double) ?? escaped ?? literal(plain));
  }
  endWord();
  if (!words[0]) throw new SettingError('expected a program and its arguments');
  return words;
};

function refuseTypographic(plain: string): void {
  const [quote] = TYPOGRAPHIC_QUOTE.exec(plain) ?? [];
  if (quote !== undefined)
    throw new SettingError(`contains the typographic quote ${quote}. Use a straight quote, ' or ".`);
}

/** A word begins. */
function home(plain: string): '' {
  return plain.startsWith('~') ? refuse('~') : '';
}

function unquote(double: string | undefined): string | undefined {
  const [meant] = /[$`]/.exec(double?.replace(/\\[\s\S]/g, '') ?? '') ?? [];
  return meant === undefined ? double?.replace(/\\(["\\$`])/g, '$1') : refuse(meant);
}

function literal(plain: string): string {
  const [meant] = FOR_A_SHELL.exec(plain) ?? [];
  return meant === undefined ? plain : refuse(meant);
}

function refuse(sign: string): never {
  throw new SettingError(
    `contains "${sign}", but weighbridge does not use a shell. Quote "${sign}" ('…'), or use sh -c '…'.`,
  );
}
