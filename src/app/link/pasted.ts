import type { Redirect } from '../../domain/link.ts';

/** White space and quotes, also those of a word processor. No address contains them. */
const NEVER_IN_ADDRESS = /[\s"'`<>‘’“”„‚«»]/g;

/** The text without what copying may add. */
export function cleanPasted(text: string): string {
  return text.replace(NEVER_IN_ADDRESS, '');
}

/** The redirect in the browser's final address. Undefined without the parameters that Withings adds. */
export function readPasted(address: string): Redirect | undefined {
  if (!URL.canParse(address)) return undefined;
  const { searchParams } = new URL(address);
  const read = (name: string) => searchParams.get(name) ?? undefined;
  const redirect = { code: read('code'), state: read('state'), error: read('error') };
  const isWhole = redirect.error !== undefined || (redirect.code !== undefined && redirect.state !== undefined);
  return isWhole ? redirect : undefined;
}
