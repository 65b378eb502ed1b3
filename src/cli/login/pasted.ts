import type { Redirect } from '../../domain/link.ts';

/** White space and quotes, also those of a word processor: no address has one of them. */
const NEVER_IN_ADDRESS = /[\s"'`<>‘’“”„‚«»]/g;

/**
 * Puts pasted lines together to the address that the browser ended on. A line that begins another address replaces
 * what came before.
 */
export function createPasted() {
  let text = '';
  return {
    /** @returns undefined as long as the address has no end that Withings gives it */
    add(line: string): Redirect | undefined {
      text += line.replace(NEVER_IN_ADDRESS, '');
      text = text.slice(Math.max(text.lastIndexOf('http://'), text.lastIndexOf('https://'), 0));
      return readRedirect(text);
    },
    clear(): void {
      text = '';
    },
  };
}

function readRedirect(text: string): Redirect | undefined {
  if (!URL.canParse(text)) return undefined;
  const { searchParams } = new URL(text);
  const read = (name: string) => searchParams.get(name) ?? undefined;
  const redirect = { code: read('code'), state: read('state'), error: read('error') };
  const isWhole = redirect.error !== undefined || (redirect.code !== undefined && redirect.state !== undefined);
  return isWhole ? redirect : undefined;
}
