import type { PersonStatus, PublisherStatus, Status, TroubleStatus } from '../domain/status.ts';
import { type Html, html } from './html.ts';
import { drawIcon, type IconName } from './icons.ts';
import { drawLinkButton } from './link-button.ts';
import { type Outage, outagesOf } from './outages.ts';
import { anchorOf, nameOf } from './parts.ts';
import type { PageView } from './view.ts';
import { sayWhen, sentence } from './words.ts';

/** Something that does not work, or that somebody should know. */
export interface ActionNeeded {
  /** `act` where somebody has to look, `pass` where waiting helps as a rule, `note` where it works all the same. */
  readonly weight: 'act' | 'pass' | 'note';
  readonly icon: IconName;
  readonly title: Html;
  readonly since: Date | undefined;
  readonly text: string;
  /** Where the way out begins, if it is here. */
  readonly remedy: Html | undefined;
}

/** While nobody is linked, the guide begins with it. */
const NO_CALLS: ActionNeeded = {
  weight: 'note',
  icon: 'call',
  title: html`Withings cannot call`,
  since: undefined,
  text: 'CALLBACK_URL is not set, so weighbridge asks every few hours, and a weigh-in comes late. Set it in .env and start weighbridge again.',
  remedy: undefined,
};

/** Everything that is wrong, each once, what needs somebody first. */
export function actionsNeeded(view: PageView): ActionNeeded[] {
  const { status, concerns, callbackUrl } = view;
  const matters = [
    ...status.people.flatMap((person) => actionForPerson(person, view)),
    ...status.publishers.flatMap((publisher) => actionForPublisher(publisher, status.troubles)),
    ...outagesOf(
      status.troubles.filter((trouble) => !isToldOtherwise(trouble, status)),
      status,
    ).map(actionForOutage),
    ...(callbackUrl === undefined && status.people.length > 0 ? [NO_CALLS] : []),
    ...concerns.map(
      ({ isBroken, text, remedy }): ActionNeeded => ({
        weight: isBroken ? 'act' : 'note',
        icon: 'settings',
        title: html`${isBroken ? 'The set-up is broken' : 'The set-up could be better'}`,
        since: undefined,
        text: [text, ...(remedy === undefined ? [] : [remedy])].map(sentence).join(' '),
        remedy: undefined,
      }),
    ),
  ];
  const order = ['act', 'pass', 'note'];
  return matters.sort((one, other) => order.indexOf(one.weight) - order.indexOf(other.weight));
}

export function drawActionNeeded({ weight, icon, title, since, text, remedy }: ActionNeeded, now: Date): Html {
  return html`<li class="matter ${weight}">${drawIcon(icon)}<div><strong>${title}</strong>${
    since !== undefined && html` <span class="since">since ${sayWhen(since, now)}</span>`
  }<p>${text}</p>${remedy}</div></li>`;
}

function actionForPerson(person: PersonStatus, view: PageView): ActionNeeded[] {
  const { userId, login, subscription } = person;
  const whose = html`<a href="#${anchorOf(userId)}"><bdi>${nameOf(person)}</bdi></a>`;
  switch (login.state) {
    case 'needs_login': {
      const text =
        'Withings does not take the login any more. What is weighed meanwhile is fetched after linking again.';
      const remedy = drawLinkButton(view, html`Link <bdi>${nameOf(person)}</bdi> again`, 'main');
      return [
        { weight: 'act', icon: 'login', title: html`${whose} must link again`, since: login.since, text, remedy },
      ];
    }
    case 'unknown': {
      const text = sentence(login.reason);
      const title = html`The login of ${whose} cannot be read`;
      return [{ weight: 'act', icon: 'login', title, since: undefined, text, remedy: undefined }];
    }
    case 'works':
    case 'not_tried':
      break;
  }
  if (subscription.state !== 'lost') return [];
  const text = `${sentence(subscription.reason ?? 'The subscription is lost')} ${RENEWED}`;
  const title = html`Withings does not call about ${whose}`;
  return [{ weight: 'act', icon: 'call', title, since: subscription.since, text, remedy: undefined }];
}

const RENEWED =
  'Meanwhile weighbridge asks every few hours, and tries to subscribe again by itself. “weighbridge doctor” says whether Withings can reach it.';

const PUBLISHERS: Readonly<Record<string, string>> = { mqtt: 'The MQTT broker', hook: 'The hook' };

function actionForPublisher(publisher: PublisherStatus, troubles: readonly TroubleStatus[]): ActionNeeded[] {
  const { name, state, since, problem, behindBytes } = publisher;
  if (state !== 'trouble') return [];
  const trouble = troubles.find(({ text }) => text === problem);
  const waiting = behindBytes === undefined || behindBytes === 0 ? '' : ` ${WAITING}`;
  return [
    {
      weight: trouble === undefined || trouble.isLasting ? 'act' : 'pass',
      icon: 'publisher',
      title: html`${PUBLISHERS[name] ?? name} does not take readings`,
      since,
      text: `${sentence((problem ?? 'It is not known why').replace(`${name}: `, ''))}${waiting}`,
      remedy: undefined,
    },
  ];
}

const WAITING = 'Readings wait for it; none is lost.';

function actionForOutage({ text, since, isLasting }: Outage): ActionNeeded {
  const icon: IconName = /withings|network|reach/i.test(text) ? 'cloud' : 'settings';
  if (isLasting)
    return {
      weight: 'act',
      icon,
      title: html`Something does not work`,
      since,
      text: sentence(text),
      remedy: undefined,
    };
  const title = html`Something does not work right now`;
  return {
    weight: 'pass',
    icon,
    title,
    since,
    text: `${sentence(text)} As a rule this passes by itself.`,
    remedy: undefined,
  };
}

/** The same stands with a person or a publisher, in better words. */
function isToldOtherwise({ userId, text }: TroubleStatus, { people, publishers }: Status): boolean {
  if (publishers.some(({ state, problem }) => state === 'trouble' && problem === text)) return true;
  const person = people.find((each) => each.userId === userId);
  if (person === undefined) return false;
  const { login, subscription } = person;
  if (login.state === 'needs_login') return true;
  if (login.state === 'unknown') return text.includes(login.reason);
  return subscription.state === 'lost' && subscription.reason !== undefined && text.includes(subscription.reason);
}
