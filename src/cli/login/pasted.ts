import { cleanPasted, readPasted } from '../../app/link/pasted.ts';
import type { Redirect } from '../../domain/link.ts';

/**
 * Puts pasted lines together to the address that the browser ended on. A line that begins another address replaces
 * what came before.
 */
export function createPasted() {
  let text = '';
  return {
    /** @returns undefined as long as the address has no end that Withings gives it */
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
