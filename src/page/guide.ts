import { type Html, html } from './html.ts';
import { drawLinkButton } from './link-button.ts';
import type { PageView } from './view.ts';

const DASHBOARD = 'https://developer.withings.com/dashboard';

/** What to do while nobody is linked. */
export function drawGuide(view: PageView): Html {
  const { callbackUrl } = view;
  return html`<ol class="guide">
<li><h2>Have an address that Withings can call</h2>
${callbackUrl === undefined ? NO_ADDRESS : drawAddress(callbackUrl)}</li>
<li><h2>Tell it to Withings</h2>
<p>Open your application in the <a href="${DASHBOARD}" rel="noreferrer">partner dashboard</a> and enter this very address as a callback URL, letter by letter.</p></li>
<li><h2>Link yourself</h2>
<p>You log in at Withings, choose the person, say yes, and come back to a page that says who is linked. Everybody in the household does the same with their own account.</p>
<p>${drawLinkButton(view, 'Link a person', 'main')}</p></li>
<li><h2>Step on the scale</h2>
<p>A minute or two later the weight stands here, by itself. If it does not: <code>weighbridge doctor</code> says what is wrong.</p></li>
</ol>`;
}

const NO_ADDRESS = html`<p>It is not set. Withings calls from outside, so it is <code>https</code>, with a name and on port 443: a tunnel as ngrok, or a forwarded port with Caddy.
Put something nobody can guess at its end, and write it into <code>.env</code>:</p>
<p class="copy"><code>CALLBACK_URL=https://me.example.org/withingsWebhook/…</code></p>
<p>Then start weighbridge again.</p>`;

function drawAddress(callbackUrl: string): Html {
  return html`<p>This is yours:</p>
<p class="copy"><code id="callback-url">${callbackUrl}</code> <button type="button" data-copies="callback-url" hidden>Copy</button></p>`;
}
