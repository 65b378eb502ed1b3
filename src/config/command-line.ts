import { type Reader, SettingError } from './readers.ts';

/** White space, '…', "…", \x, or anything else, which is literal. */
const PIECE = /(\s+)|'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|\\([\s\S])|([^\s'"\\]+)/y;
/** The special characters of a shell. There is no shell, and taken literally they would surprise. */
const FOR_A_SHELL = /[|&;<>()$`]/;
/** These quotes do not quote, although people expect that. */
const TYPOGRAPHIC_QUOTE = /^[“”„‟‘’‚‛«»]/;

/** A program and its arguments. Only quotes and backslashes work as in a shell. */
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

/** The start of a word. */
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
