import type { Shell } from '../shell.ts';

/** Shows the consent link as text to copy, and on a terminal as a QR code for a phone. */
export async function showLink(
  { say, print, terminal, env }: Shell,
  link: URL,
  { isForPhone }: { readonly isForPhone: boolean },
): Promise<void> {
  say('Open this link in a browser, log in at Withings, choose the person, and allow access:');
  say('');
  print(link.href);
  say('');
  if (terminal === undefined || !isForPhone) return;
  // The module is loaded only if the code is shown.
  const { drawQrCode } = await import('./qr-code.ts');
  const code = drawQrCode(link.href, { columns: terminal.columns ?? 0, colour: !env['NO_COLOR'] });
  if (code === undefined) return;
  say('With a phone, scan this code:');
  say(code);
}
