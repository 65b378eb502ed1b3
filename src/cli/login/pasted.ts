import { cleanPasted, readPasted } from '../../app/link/pasted.ts';
import type { Redirect } from '../../domain/link.ts';

/** Joins pasted lines to the browser's final address. A line that begins another address replaces the earlier lines. */
export function createPasted() {
  let text = '';
  return {
    /** @returns undefined until the address has the parameters that Withings adds */
    add(line: string): Redirect | undefined {
      text += cleanPasted(line);
      text = text.slice(Math.max(text.lastIndexOf('http://'), text.lastIndexOf('https://'), 0));
      return readPasted(text);
    },
    clear(): void {
      text = '';
    },
  };
}
