/** Withings' tokens are 40 hexadecimal digits; whatever looks like one, or is labelled as one, is for nobody's eyes. */
const LOOKS_SECRET =
  /(?<![0-9a-f])[0-9a-f]{32,}(?![0-9a-f])|(?<=\b(?:Bearer |(?:access_token|refresh_token|client_secret|code)=))[^\s"&]+/gi;

/** Blanks out what looks like a token. */
export function maskTokens(text: string): string {
  return text.replace(LOOKS_SECRET, '***');
}
