import { type Html, html } from './html.ts';
import { PATHS, type PageView } from './view.ts';

/** The way to Withings' consent page, or what is missing for it. */
export function drawLinkButton(
  { callbackUrl }: Pick<PageView, 'callbackUrl'>,
  label: string | Html,
  kind: 'main' | 'quiet',
): Html {
  // In a tab of its own: what stands at the end of the way is a page to be closed.
  if (callbackUrl !== undefined)
    return html`<a class="button ${kind}" href="${PATHS.link}" target="_blank" rel="noopener">${label}</a>`;
  return html`<p class="hint">Linking needs <code>CALLBACK_URL</code>, the address that Withings calls and that the browser comes back to.
Set it in <code>.env</code> and start weighbridge again.</p>`;
}
