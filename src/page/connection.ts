import { APPLI_NAMES } from '../domain/notification.ts';
import { modelOf, type Scale } from '../domain/scale.ts';
import { describePolling, type LoginState, type PersonStatus, type SubscriptionStatus } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import type { PageView } from './view.ts';
import { list, sayWhen, timeAgo } from './words.ts';

/** The connection between Withings and weighbridge for a person, in words. */
export function drawConnection(person: PersonStatus, { now }: PageView): Html {
  const { login, subscription, lastNotification, lastContact, scales } = person;
  return html`<dl class="connection">
${line('Login', sayLogin(login, now), login.state === 'needs_login' || login.state === 'unknown')}
${line('Subscription', saySubscription(subscription, now), subscription.state === 'lost')}
${line('Last notification', lastNotification ? timeAgo(lastNotification) : 'none since the start')}
${line('Last contact', lastContact ? timeAgo(lastContact) : 'not yet')}
${scales.map((scale) => line('Scale', sayScale(scale, now), scale.battery === 'low'))}
</dl>`;
}

function line(term: string, text: string | Html, isBad = false): Html {
  return html`<div><dt>${term}</dt><dd${isBad && html` class="bad"`}>${text}</dd></div>`;
}

/** `Body+, battery medium, last contact 3 days ago` */
function sayScale(scale: Scale, now: Date): Html {
  const { battery, lastContact: at } = scale;
  const contact = at && timeAgo({ at, agoMs: Math.max(0, now.getTime() - at.getTime()) });
  return html`${modelOf(scale)}${battery && `, battery ${battery}`}${contact && html`, last contact ${contact}`}`;
}

function sayLogin(login: LoginState, now: Date): string {
  switch (login.state) {
    case 'works':
      return 'works';
    case 'not_tried':
      return 'not tried yet';
    case 'needs_login':
      return `refused${sinceWhen(login.since, now)}: ${login.reason}`;
    case 'unknown':
      return `cannot be read: ${login.reason}`;
  }
}

function saySubscription({ state, applis, since, reason, pollMs = 0 }: SubscriptionStatus, now: Date): string {
  switch (state) {
    case 'works':
      return `Withings calls about ${list(applis.map((appli) => APPLI_NAMES[appli] ?? `category ${appli}`))}`;
    case 'lost':
      return `Withings does not call${sinceWhen(since, now)}: ${reason}`;
    case 'none':
      return 'not looked yet whether Withings calls';
    case 'polling':
      return `${describePolling(pollMs)} (${reason})`;
    case 'off':
      return `off (${reason}); weighbridge asks every few hours`;
  }
}

function sinceWhen(since: Date | undefined, now: Date): string {
  return since === undefined ? '' : ` since ${sayWhen(since, now)}`;
}
