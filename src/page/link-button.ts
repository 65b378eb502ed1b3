import { type Html, html } from './html.ts';
import { PATHS, type PageView } from './view.ts';

/** The way to Withings' consent page, or what is missing for it. */
export function drawLinkButton(
  { callbackUrl }: Pick<PageView, 'callbackUrl'>,
  label: string | Html,
  kind: 'main' | 'quiet',
): Html {
  if (callbackUrl !== undefined) return html`<a class="button ${kind}" href="${PATHS.link}">${label}</a>`;
  return html`<p class="hint">Linking needs <code>CALLBACK_URL</code>, the address that Withings calls and that the browser comes back to.
Set it in <code>.env</code> and start weighbridge again.</p>`;
}
