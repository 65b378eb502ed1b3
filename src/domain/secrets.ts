/** The secrets that must not be printed, shown or stored in a message, and their masking. */

const MASKED = '***';

/** Withings' tokens are 40 hexadecimal digits; text that looks like one, or is labelled as one, is never printed. */
const LOOKS_SECRET =
  /(?<![0-9a-f])[0-9a-f]{32,}(?![0-9a-f])|(?<=\b(?:Bearer |(?:access_token|refresh_token|client_secret|code)=))[^\s"&]+/gi;

/**
 * Masks these secrets, plain or encoded for a form or a URL, and any text that looks like a token.
 *
 * @param secrets may have any length: short ones are masked as well, even within a word
 */
export function createMask(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.filter((secret) => secret !== '').flatMap((secret) => [secret, encoded(secret)]);
  // One secret may begin with another.
  const longestFirst = [...new Set(forms)].sort((one, other) => other.length - one.length).map(literal);
  const known = longestFirst.length === 0 ? undefined : new RegExp(longestFirst.join('|'), 'gi');
  return (text) => {
    const clean = known === undefined ? text : text.replace(known, MASKED);
    return clean.replace(LOOKS_SECRET, MASKED);
  };
}

function encoded(secret: string): string {
  // Half of a surrogate pair cannot be encoded.
  return encodeURIComponent(secret.replace(/\p{Cs}/gu, '\ufffd'));
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** A shorter text is easy to guess, and occurs in many texts by chance. */
const SHORTEST_SECRET = 8;
/** A longer text is a passphrase, not the name of a route. */
const LONGEST_ROUTE = 19;
const MOST_WORDS = 2;

/**
 * The parts of a callback URL that keep strangers out: parts of its path and values of its parameters that are long,
 * and made of more than words.
 */
export function secretParts(url: URL): readonly string[] {
  return partsOf(url).filter((part) => part.length >= SHORTEST_SECRET && !isWords(part));
}

/**
 * The parts of a callback URL that must not be printed: its secret parts, and all of it after the host unless that is
 * only words. A word such as `weight` is not a secret, and occurs in texts that people want to read.
 */
export function secretsOfUrl(url: URL): readonly string[] {
  if (partsOf(url).every(isWords)) return [];
  return [url.pathname + url.search, ...secretParts(url)];
}

function partsOf({ pathname, searchParams }: URL): readonly string[] {
  return [...pathname.split('/'), ...searchParams.values()].filter((part) => part !== '');
}

/** `weighbridge`, `withingsWebhook`, `my-scale`. */
function isWords(part: string): boolean {
  const words = part.split(/[-_.]|(?<=[a-z])(?=[A-Z])/);
  const isShort = part.length <= LONGEST_ROUTE && words.length <= MOST_WORDS;
  return isShort && words.every((word) => /^([A-Za-z][a-z]+|[A-Z]{2,})$/.test(word));
}
