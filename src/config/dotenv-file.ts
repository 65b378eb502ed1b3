import { isDeepStrictEqual } from 'node:util';
import { parse } from 'dotenv';
import { SettingError } from './readers.ts';

/**
 * Sets settings in the text of a `.env`. Everything else in it stays as it is: order, comments, unknown lines.
 *
 * @throws SettingError where dotenv would not read the settings back
 */
export function editDotenv(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((edited, [name, value]) => setOne(edited, name, value), text);
}

function setOne(text: string, name: string, value: string): string {
  const before = parse(text);
  const forms = [value, `'${value}'`, `"${value}"`, `\`${value}\``].map((form) => `${name}=${form}`);
  // In place where that is one line, else at the end, where an assignment replaces those before it.
  const isOneLine = !before[name]?.includes('\n');
  const candidates = [
    ...(isOneLine ? forms.map((form) => replaced(text, name, form)) : []),
    ...forms.map(append(text)),
  ];
  const edited = candidates.find((each) => isDeepStrictEqual(parse(each), { ...before, [name]: value }));
  if (edited !== undefined) return edited;
  throw new SettingError(
    `${name} cannot be written into .env: it has several kinds of quotes, or a quote there is open`,
  );
}

function replaced(text: string, name: string, assignment: string): string {
  const lines = text.split('\n');
  const assigns = new RegExp(`^\\s*(export\\s+)?${name}\\s*=`);
  const at = lines.findLastIndex((each) => assigns.test(each));
  return at < 0 ? text : lines.with(at, assignment).join('\n');
}

function append(text: string): (assignment: string) => string {
  return (assignment) => `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${assignment}\n`;
}
