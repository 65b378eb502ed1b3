import { group } from 'd3-array';
import { formatInterval } from '../domain/format.ts';
import { nameOf as nameInLog } from '../domain/household.ts';
import { type LowBattery, lowBatteries, modelOf } from '../domain/scale.ts';
import {
  describePolling,
  type PersonStatus,
  type PublisherStatus,
  type Status,
  type TroubleStatus,
} from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import { anchorOf, drawIcon, drawLinkButton, type IconName, nameOf, ON_THE_WAY } from './parts.ts';
import type { PageView } from './view.ts';
import { list, sayWhen, sentence } from './words.ts';

const URGENCIES = ['act', 'pass', 'note'] as const;

/** A problem, or a fact for the household. */
export interface ActionNeeded {
  /** `act` if a person must do something, `pass` if waiting usually helps, `note` if everything works. */
  readonly urgency: (typeof URGENCIES)[number];
  readonly icon: IconName;
  readonly title: string | Html;
  readonly since?: Date | undefined;
  readonly text: string | Html;
  /** The first step of the solution, if the page offers it. */
  readonly remedy?: Html;
}

/** All problems, each once, the most urgent first. */
export function actionsNeeded(view: PageView): ActionNeeded[] {
  const { status, concerns } = view;
  const { people, publishers, troubles } = status;
  const outages = troubles.filter((trouble) => !isToldOtherwise(trouble, status));
  const actions = [
    ...people.flatMap((person) => actionForPerson(person, view) ?? []),
    ...publishers.filter(({ state }) => state === 'trouble').map((each) => actionForPublisher(each, troubles)),
    ...actionsForOutages(outages, people),
    ...lowBatteries(people).map((each) => actionForBattery(each, people)),
    ...concerns.map(({ isBroken, text, remedy }): ActionNeeded => {
      const title = isBroken ? 'The set-up does not work' : 'Check your settings';
      const said = [text, ...(remedy === undefined ? [] : [remedy])].map(sentence).join(' ');
      return { urgency: isBroken ? 'act' : 'note', icon: 'settings', title, text: said };
    }),
  ];
  return actions.sort((one, other) => URGENCIES.indexOf(one.urgency) - URGENCIES.indexOf(other.urgency));
}

export function drawActionNeeded({ urgency, icon, title, since, text, remedy }: ActionNeeded, now: Date): Html {
  return html`<li class="action ${urgency}">${drawIcon(icon)}<div><span class="tag">${TAGS[urgency]}</span> <strong>${title}</strong>${
    since && html` <span class="since">since ${sayWhen(since, now)}</span>`
  }<p>${text}</p>${remedy}</div></li>`;
}

const TAGS = { act: 'Action needed', pass: 'Temporary', note: 'Note' } as const;

function actionForPerson(person: PersonStatus, view: PageView): ActionNeeded | undefined {
  const { userId, login, subscription } = person;
  const name = html`<bdi>${nameOf(person)}</bdi>`;
  const whose = html`<a href="#${anchorOf(userId)}">${name}</a>`;
  if (login.state === 'needs_login')
    return {
      urgency: 'act',
      icon: 'login',
      title: html`${whose} must link again`,
      since: login.since,
      text: html`Withings no longer accepts the login of ${name}. No weigh-in is lost: weighbridge fetches them after ${name} links again.`,
      remedy: drawLinkButton(view, html`Link ${name} again`, 'main'),
    };
  if (login.state === 'unknown') {
    const title = html`The login of ${whose} cannot be read`;
    return { urgency: 'act', icon: 'login', title, text: sentence(login.reason) };
  }
  const { state, since, reason, pollMs } = subscription;
  if (state === 'off')
    return {
      urgency: 'note',
      icon: 'call',
      title: html`Notifications are off for ${whose}`,
      text: html`weighbridge checks only every ${formatInterval(view.reconcileMs)}. <code>weighbridge subscribe ${userId}</code> turns the notifications on.`,
    };
  if (state === 'polling' && pollMs !== undefined && since !== undefined)
    return {
      urgency: 'note',
      icon: 'call',
      title: html`Withings cannot notify weighbridge about ${whose}`,
      since,
      text: html`${sentence(reason ?? 'The subscription is lost')} weighbridge is ${describePolling(pollMs)} until Withings can. Run <code>weighbridge doctor</code> to find the cause.`,
    };
  if (state !== 'lost') return undefined;
  return {
    urgency: 'act',
    icon: 'call',
    title: html`Withings sends no notifications about ${whose}`,
    since,
    text: html`${sentence(reason ?? 'The subscription is lost')} ${renewed(formatInterval(view.reconcileMs))}`,
  };
}

function actionForBattery({ scale }: LowBattery, people: readonly PersonStatus[]): ActionNeeded {
  const users = people.filter(({ userId }) => scale.userIds.includes(userId)).map(nameOf);
  const text = `Replace or charge it. ${list(users)} ${users.length === 1 ? 'uses' : 'use'} this scale.`;
  return { urgency: 'note', icon: 'battery', title: `The battery of the ${modelOf(scale)} is low`, text };
}

const renewed = (interval: string) =>
  html`weighbridge checks every ${interval} and retries the subscription. Run <code>weighbridge doctor</code> to find the cause.`;

const PUBLISHERS: Readonly<Record<string, string>> = {
  mqtt: 'The MQTT broker gets no readings',
  hook: 'The hook gets no readings',
};

function actionForPublisher(publisher: PublisherStatus, troubles: readonly TroubleStatus[]): ActionNeeded {
  const { name, since, problem = 'The reason is not known', behindBytes = 0 } = publisher;
  const trouble = troubles.find(({ text }) => text === problem);
  return {
    urgency: trouble === undefined || trouble.isLasting ? 'act' : 'pass',
    icon: 'publisher',
    title: PUBLISHERS[name] ?? `${name} gets no readings`,
    since,
    text: sentence(problem.replace(`${name}: `, '')) + (behindBytes === 0 ? '' : WAITING),
  };
}

const WAITING = ' Readings wait, and none is lost.';

/** The texts of outages, by code. */
const OUTAGES: Readonly<Record<string, string>> = {
  unreachable: 'Withings cannot be reached',
  bad_answer: 'Withings answers with errors',
  throttled: 'Withings limits the requests',
  callback_unreachable: 'Withings cannot reach weighbridge',
  no_contact: 'No check has worked for a while',
  disk_full: 'The disk is full',
  clock_wrong: 'The clock is wrong',
  wrong_client: 'Withings rejects the client id or secret',
};

/**
 * Lists each outage once, for everyone that it concerns.
 *
 * @param troubles the oldest first, which gives the start of the outage
 */
function actionsForOutages(troubles: readonly TroubleStatus[], people: readonly PersonStatus[]): ActionNeeded[] {
  const concerned = troubles.map((trouble) => {
    const person = people.find(({ userId }) => userId === trouble.userId);
    return { ...trouble, person, text: person === undefined ? trouble.text : withoutName(trouble.text, person) };
  });
  const outages = group(concerned, ({ code, text }) => `${code} ${text}`);
  return [...outages.values()].flatMap((members): ActionNeeded[] => {
    const [first] = members;
    if (first === undefined) return [];
    const { code, text, since, isLasting } = first;
    const names = members.flatMap(({ person }) => (person === undefined ? [] : [nameOf(person)]));
    const said = sentence(names.length === 0 ? text : `${list(names)}: ${text}`);
    return [
      {
        urgency: isLasting ? 'act' : 'pass',
        icon: ON_THE_WAY.has(code) ? 'cloud' : 'settings',
        title: OUTAGES[code] ?? 'weighbridge reports a problem',
        since,
        text: isLasting ? said : `${said} This usually passes without your help.`,
      },
    ];
  });
}

/** The text of a log entry begins with its person: `Anna (1234): `. */
function withoutName(text: string, { name, userId }: PersonStatus): string {
  const about = `${nameInLog(userId, { names: new Map(name === undefined ? [] : [[userId, name]]) })}: `;
  return text.startsWith(about) ? text.slice(about.length) : text;
}

/** A person or a publisher shows the same trouble in better words. */
function isToldOtherwise({ userId, text }: TroubleStatus, { people, publishers }: Status): boolean {
  if (publishers.some(({ state, problem }) => state === 'trouble' && problem === text)) return true;
  const person = people.find((each) => each.userId === userId);
  if (person === undefined) return false;
  const { login, subscription } = person;
  if (login.state === 'needs_login') return true;
  if (login.state === 'unknown') return text.includes(login.reason);
  const isShown = subscription.state === 'lost' || subscription.state === 'polling';
  return isShown && subscription.reason !== undefined && text.includes(subscription.reason);
}
