import type { Redirect } from '../../domain/link.ts';

/** White space and quotes, also those of a word processor: no address has one of them. */
const NEVER_IN_ADDRESS = /[\s"'`<>‘’“”„‚«»]/g;

/** Without what a copy may bring along. */
export function cleanPasted(text: string): string {
  return text.replace(NEVER_IN_ADDRESS, '');
}

/** What is in the address that a browser ended on; undefined as long as it has no end that Withings gives it. */
export function readPasted(address: string): Redirect | undefined {
  if (!URL.canParse(address)) return undefined;
  const { searchParams } = new URL(address);
  const read = (name: string) => searchParams.get(name) ?? undefined;
  const redirect = { code: read('code'), state: read('state'), error: read('error') };
  const isWhole = redirect.error !== undefined || (redirect.code !== undefined && redirect.state !== undefined);
  return isWhole ? redirect : undefined;
}
