import type { Shell } from '../shell.ts';

/** The consent link as text, to be copied, and on a terminal as a QR code, for a phone. */
export async function showLink(shell: Shell, link: URL): Promise<void> {
  shell.say('Open this link in a browser, log in at Withings, choose the person and say yes:');
  shell.print(link.href);
  const code = shell.terminal && (await drawQrCode(link.href, shell));
  if (code === undefined) return;
  shell.say('With a phone, scan this code instead:');
  shell.say(code);
}

/** What a camera needs around the code is 4 modules; 2 are enough for those of phones. */
const BORDER = 2;
/** White on black, whatever colours the terminal has. */
const WHITE_ON_BLACK = '\u001b[97;40m';
const PLAIN = '\u001b[0m';

/** Two modules in a character. Undefined where the terminal is too narrow for it. */
async function drawQrCode(
  text: string,
  { terminal, env }: Pick<Shell, 'terminal' | 'env'>,
): Promise<string | undefined> {
  // Loaded only where it is seen.
  const { renderUnicodeCompact } = await import('uqr');
  const lines = renderUnicodeCompact(text, { border: BORDER }).split('\n');
  if ((lines[0]?.length ?? 0) > (terminal?.columns ?? 0)) return undefined;
  return lines.map((line) => (env['NO_COLOR'] ? line : `${WHITE_ON_BLACK}${line}${PLAIN}`)).join('\n');
}
