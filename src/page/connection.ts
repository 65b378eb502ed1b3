import { formatInterval } from '../domain/format.ts';
import { APPLI_NAMES } from '../domain/notification.ts';
import { modelOf, type Scale } from '../domain/scale.ts';
import { isPersonWell, type LoginState, type PersonStatus, type SubscriptionStatus } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import { drawLinkButton, nameOf } from './parts.ts';
import { PATHS, type PageView, relative } from './view.ts';
import { list, sayWhen, sentence, timeAgo } from './words.ts';

/** The text of a connection line, and the exact words of Withings or the system. */
interface Said {
  readonly text: string;
  readonly isBad?: boolean;
  readonly reason?: string | undefined;
}

/** The connection between Withings and weighbridge for a person: a line that unfolds, open if it does not work. */
export function drawConnection(person: PersonStatus, view: PageView): Html {
  const { userId, login, subscription, lastNotification, lastContact, scales } = person;
  const { now } = view;
  const isWell = isPersonWell(person);
  const label = html`Link <span class="unseen"><bdi>${nameOf(person)}</bdi> </span>again`;
  return html`<details class="connection" id="conn${userId}"${!isWell && html` open`}>
<summary>Connection: ${isWell ? html`<b>${login.state === 'works' ? 'OK' : 'Not checked yet'}</b>` : html`<b class="bad">Action needed</b>`}${
    lastContact && html` · last check ${timeAgo(lastContact)}`
  }</summary>
<dl>
${line('Login', say(sayLogin(login, now)))}
${line('Notifications', say(saySubscription(subscription, view)))}
${line('Last notification', lastNotification ? timeAgo(lastNotification) : 'None since the last restart')}
${line('Last successful check', lastContact ? timeAgo(lastContact) : 'Never')}
${scales.map((scale) => line('Scale', sayScale(scale, now), scale.battery === 'low'))}
</dl>
${login.state !== 'needs_login' && html`${drawLinkButton(view, label, 'quiet')}${view.offersLink && drawBackfillButton(person, view)}`}
</details>`;
}

function drawBackfillButton(person: PersonStatus, { backfill }: PageView): Html {
  const { userId } = person;
  const isRunning = backfill?.state === 'running';
  const of = html`<span class="unseen"> of <bdi>${nameOf(person)}</bdi></span>`;
  return html`<form method="post" action="${relative(PATHS.backfill)}${userId}"><button${isRunning && html` disabled`}>Fetch past years${of}</button></form>`;
}

function line(term: string, text: string | Html, isBad = false): Html {
  return html`<div><dt>${term}</dt><dd${isBad && html` class="bad"`}>${text}</dd></div>`;
}

function say({ text, isBad = false, reason }: Said): Html {
  return html`${isBad ? html`<span class="bad">${text}</span>` : text}${
    reason !== undefined && html`<small>${sentence(reason)}</small>`
  }`;
}

/** `Body+, battery medium, last contact 3 days ago` */
function sayScale(scale: Scale, now: Date): Html {
  const { battery, lastContact: at } = scale;
  const contact = at && timeAgo({ at, agoMs: Math.max(0, now.getTime() - at.getTime()) });
  return html`${modelOf(scale)}${battery && `, battery ${battery}`}${contact && html`, last contact ${contact}`}`;
}

function sayLogin(login: LoginState, now: Date): Said {
  switch (login.state) {
    case 'works':
      return { text: 'OK' };
    case 'not_tried':
      return { text: 'Not checked yet' };
    case 'needs_login':
      return { text: `Rejected${sinceWhen(login.since, now)}`, isBad: true, reason: login.reason };
    case 'unknown':
      return { text: 'Cannot be read', isBad: true, reason: login.reason };
  }
}

function saySubscription({ state, applis, since, reason, pollMs = 0 }: SubscriptionStatus, view: PageView): Said {
  switch (state) {
    case 'works':
      return { text: `Active (${list(applis.map((appli) => APPLI_NAMES[appli] ?? `category ${appli}`))})` };
    case 'lost':
      return { text: `Lost${sinceWhen(since, view.now)}`, isBad: true, reason };
    case 'none':
      return { text: 'Not checked yet' };
    case 'polling':
      return { text: `Off, polling every ${formatInterval(pollMs)}`, reason };
    case 'off':
      return { text: `Off, checking every ${formatInterval(view.reconcileMs)}`, reason };
  }
}

function sinceWhen(since: Date | undefined, now: Date): string {
  return since === undefined ? '' : ` since ${sayWhen(since, now)}`;
}
