import type { Shell } from '../shell.ts';

/** The consent link as text, to be copied, and for a phone as a QR code on a terminal. */
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
  // Loaded only where it is seen.
  const { drawQrCode } = await import('./qr-code.ts');
  const code = drawQrCode(link.href, { columns: terminal.columns ?? 0, colour: !env['NO_COLOR'] });
  if (code === undefined) return;
  say('With a phone, scan this code:');
  say(code);
}
