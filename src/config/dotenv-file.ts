import { isDeepStrictEqual } from 'node:util';
import { parse } from 'dotenv';
import { SettingError } from './readers.ts';

/** Sets settings in the text of a `.env`. Everything else in it stays as it is: order, comments, unknown lines. */
export function editDotenv(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((edited, [name, value]) => setOne(edited, name, value), text);
}

function setOne(text: string, name: string, value: string): string {
  const line = `${name}=${quoted(name, value)}`;
  const lines = text.split('\n');
  const assigns = new RegExp(`^\\s*(export\\s+)?${name}\\s*=`);
  const at = lines.findLastIndex((each) => assigns.test(each));
  const edited = lines.with(Math.max(at, 0), line).join('\n');
  // The line may be one of a value of several lines. Then a second assignment replaces the first.
  if (at >= 0 && isDeepStrictEqual(parse(edited), { ...parse(text), [name]: value })) return edited;
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

/** The value as dotenv reads it back, in the plainest form. */
function quoted(name: string, value: string): string {
  const forms = [value, `'${value}'`, `"${value}"`, `\`${value}\``];
  const form = forms.find((each) => isDeepStrictEqual(parse(`${name}=${each}\n`), { [name]: value }));
  if (form === undefined || value.includes('\n')) throw new SettingError('has quotes of all three kinds in it');
  return form;
}
