import { isDeepStrictEqual } from 'node:util';
import { parse } from 'dotenv';
import { SettingError } from './readers.ts';

/**
 * Sets settings in the text of a `.env`. An undefined one becomes a comment. Everything else stays unchanged: order,
 * comments, unknown lines.
 *
 * @throws SettingError if dotenv would not read the settings back
 */
export function editDotenv(text: string, changes: Changes): string {
  return Object.entries(changes).reduce(
    (edited, [name, value]) => (value === undefined ? unset(edited, name) : setOne(edited, name, value)),
    text,
  );
}

/** The values of settings by their names; undefined if not set. */
export type Changes = Readonly<Record<string, string | undefined>>;

function unset(text: string, name: string): string {
  const { [name]: before, ...others } = parse(text);
  const lines = text.split('\n').map((each) => (assignmentOf(name).test(each) ? `# ${each}` : each));
  const edited = lines.join('\n');
  if (!before?.includes('\n') && isDeepStrictEqual(parse(edited), others)) return edited;
  throw new SettingError(`cannot remove ${name} from .env: the value has several lines or an open quote`);
}

function setOne(text: string, name: string, value: string): string {
  const before = parse(text);
  const forms = [value, `'${value}'`, `"${value}"`, `\`${value}\``].map((form) => `${name}=${form}`);
  // A one-line setting changes in place. Otherwise the assignment goes to the end, where it replaces earlier ones.
  const isOneLine = !before[name]?.includes('\n');
  const candidates = [
    ...(isOneLine ? forms.map((form) => replaced(text, name, form)) : []),
    ...forms.map(append(text)),
  ];
  const edited = candidates.find((each) => isDeepStrictEqual(parse(each), { ...before, [name]: value }));
  if (edited !== undefined) return edited;
  throw new SettingError(
    `cannot write ${name} to .env: the value has several kinds of quotes, or .env has an open quote`,
  );
}

function replaced(text: string, name: string, assignment: string): string {
  const lines = text.split('\n');
  const at = lines.findLastIndex((each) => assignmentOf(name).test(each));
  return at < 0 ? text : lines.with(at, assignment).join('\n');
}

function assignmentOf(name: string): RegExp {
  return new RegExp(`^\\s*(export\\s+)?${name}\\s*=`);
}

function append(text: string): (assignment: string) => string {
  return (assignment) => `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${assignment}\n`;
}
