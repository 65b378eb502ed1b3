import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../domain/clock.ts';
import { BATTERIES, type Battery } from '../domain/scale.ts';
import { type Html, html } from '../html/html.ts';
import { type Fault, readForm } from './calls.ts';
import type { RawGroup } from './measures.ts';
import { type Person, sendJson, sendPage } from './pages.ts';
import type { WeighIn } from './scale.ts';
import type { Subscription } from './subscriptions.ts';
import type { Left, TakenBack } from './take-back.ts';

export const CONTROL_PATH = '/control';
const SHOWN = 5;

/** The services that the page controls. */
export interface Played {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly groupsOf: (userId: string) => readonly RawGroup[];
  readonly subscriptionsOf: (userId: string) => readonly Subscription[];
  readonly store: (userId: string, weighIn: WeighIn) => readonly RawGroup[];
  readonly takeBack: (userId: string, group: RawGroup, how: TakenBack) => Left | undefined;
  readonly notify: (userId: string, groups: readonly RawGroup[]) => Promise<void>;
  readonly send: (userId: string, appli: string, fields: Readonly<Record<string, string>>) => Promise<void>;
  readonly setBattery: (userId: string, battery: Battery) => void;
  readonly expireAccess: () => void;
  readonly unlink: (userId: string) => void;
}

/** Ways to fail; `lost` does the call and loses the answer, the others replace the call. */
const FAULTS = {
  'HTTP 500': { httpStatus: 500, text: '' },
  HTML: { httpStatus: 502, text: '<html><body><h1>Bad gateway</h1></body></html>' },
  'half an answer': { text: '{"status":0,"body":{' },
  '601': { text: '{"status":601,"body":{"wait_seconds":30},"error":"Too Many Requests"}' },
  '401': { text: '{"status":401,"body":{},"error":"XRequestID: Not provided invalid_token"}' },
  cut: 'cut',
  hang: 'hang',
  lost: 'cut',
} as const satisfies Readonly<Record<string, Fault>>;

class Unusable extends Error {}

type Action = (form: URLSearchParams) => unknown;

/** Plays the scale, the user and Withings' failures: a page with forms, and the same as calls that answer JSON. */
export function createControl(people: readonly Person[], played: Played) {
  let failing: { readonly how: keyof typeof FAULTS; left: number } | undefined;
  let lateMs = 0;
  const seconds = () => Math.floor(played.clock.now().getTime() / 1000);

  const actionsByName: Readonly<Record<string, Action>> = {
    weigh(form) {
      const userId = personIn(form);
      const kilograms = numberIn(form, 'kilograms', 500);
      const groups = played.store(userId, { kilograms, date: seconds() });
      // A delivery may take hours of retries.
      if (form.get('notification') !== 'lost') void played.notify(userId, groups);
      return groups;
    },
    'take-back'(form) {
      const userId = personIn(form);
      const group = played.groupsOf(userId).find(({ grpid }) => `${grpid}` === form.get('grpid'));
      if (group === undefined) throw new Unusable('grpid: there is no such group');
      const how = oneOf(form, 'how', ['emptied', 'ambiguous', 'deleted', 'moved'] as const);
      const left = played.takeBack(userId, group, how === 'moved' ? { movedTo: personIn(form, 'to') } : how);
      void played.notify(userId, [group]);
      if (left !== undefined && left.userId !== userId) void played.notify(left.userId, [left.group]);
      return left ?? {};
    },
    battery: (form) => played.setBattery(personIn(form), oneOf(form, 'level', BATTERIES)),
    bed(form) {
      const appli = { in: '50', out: '51' }[oneOf(form, 'way', ['in', 'out'] as const)];
      void played.send(personIn(form), appli, { date: `${seconds()}`, deviceid: 'sandbox-bed' });
    },
    unlink(form) {
      const userId = personIn(form);
      void played.send(userId, '46', { action: 'unlink' });
      played.unlink(userId);
    },
    expire: () => played.expireAccess(),
    fail(form) {
      failing = {
        how: oneOf(form, 'how', Object.keys(FAULTS) as (keyof typeof FAULTS)[]),
        left: numberIn(form, 'calls'),
      };
    },
    slow(form) {
      lateMs = numberIn(form, 'seconds', 600) * 1000;
    },
  };

  const personIn = (form: URLSearchParams, name = 'person') =>
    oneOf(
      form,
      name,
      people.map(({ userId }) => userId),
    );

  const actions = new Map(Object.entries(actionsByName));

  return {
    async beLate(): Promise<void> {
      if (lateMs > 0) await played.clock.sleep(lateMs, played.signal);
    },
    /** The fault for a call, before it is done and afterwards. */
    fault(isAnswered: boolean): Fault | undefined {
      if (failing === undefined || failing.left < 1 || (failing.how === 'lost') !== isAnswered) return undefined;
      failing.left -= 1;
      return FAULTS[failing.how];
    },
    async serve(request: IncomingMessage, path: string, response: ServerResponse): Promise<void> {
      if (path === CONTROL_PATH) return sendPage(response, 'The sandbox', drawPage(people, played));
      const action = actions.get(path.slice(CONTROL_PATH.length + 1));
      if (action === undefined) return sendJson(response, 404, { error: 'no such action' });
      if (request.method !== 'POST') return sendJson(response, 405, { error: 'only POST' });
      const result = attempt(action, await readForm(request));
      const isBrowser = request.headers.accept?.includes('text/html') === true;
      if (result instanceof Unusable) sendJson(response, 400, { error: result.message });
      else if (isBrowser) response.writeHead(303, { location: CONTROL_PATH }).end();
      else sendJson(response, 200, result ?? {});
    },
  };
}

function attempt(action: Action, form: URLSearchParams): unknown {
  try {
    return action(form);
  } catch (error) {
    if (error instanceof Unusable) return error;
    throw error;
  }
}

function oneOf<const T extends string>(form: URLSearchParams, name: string, values: readonly T[]): T {
  const found = values.find((each) => each === form.get(name));
  if (found === undefined) throw new Unusable(`${name}: one of ${values.join(', ')}`);
  return found;
}

function numberIn(form: URLSearchParams, name: string, most = 1000): number {
  const value = Number(form.get(name) || Number.NaN);
  if (!(value >= 0 && value <= most)) throw new Unusable(`${name}: a number up to ${most}`);
  return value;
}

function drawPage(people: readonly Person[], played: Played): Html {
  return html`${people.map((person) => drawPerson(person, people, played))}
<h2>Withings</h2>
${drawForm('fail', 'Fail', html`the next <input name="calls" aria-label="calls" value="1" size="3"> calls: ${choose('how', Object.keys(FAULTS))}`)}
${drawForm('slow', 'Answer late', html`by <input name="seconds" aria-label="seconds" value="5" size="3"> seconds; 0 ends it`)}
${drawForm('expire', 'End all access tokens', '')}`;
}

function drawPerson({ userId, name }: Person, people: readonly Person[], played: Played): Html {
  const person = html`<input type="hidden" name="person" value="${userId}">`;
  const others = people.filter((each) => each.userId !== userId).map((each) => each.userId);
  const hows = ['emptied', 'ambiguous', 'deleted', ...(others.length > 0 ? ['moved'] : [])];
  const newest = [...played.groupsOf(userId)].sort((a, b) => b.date - a.date).slice(0, SHOWN);
  const rows = newest.map(({ grpid, date, measures }) => {
    const values = measures.map(({ type, value, unit }) => `${type}: ${Number(`${value}e${unit}`)}`).join(', ');
    const group = html`${person}<input type="hidden" name="grpid" value="${grpid}">${choose('how', hows)}`;
    const to = others.length > 0 && html` to ${choose('to', others)}`;
    const form = drawForm('take-back', 'Take back', html`${group}${to}`);
    return html`<tr><td>${grpid}</td><td>${new Date(date * 1000).toISOString()}</td><td>${values}</td><td>${form}</td></tr>`;
  });
  const subscriptions = played.subscriptionsOf(userId).map((each) => html`<li>${each.appli}: ${each.callbackurl}</li>`);
  const weight = html`${person}<input name="kilograms" aria-label="kilograms" value="80" size="6"> kg
<label><input type="checkbox" name="notification" value="lost"> lose the notification</label>`;
  return html`<h2>${name} (${userId})</h2>
${drawForm('weigh', 'Step on the scale', weight)}
${drawForm('battery', 'Set the battery', html`${person}${choose('level', BATTERIES.toReversed())}`)}
${drawForm('bed', 'Bed', html`${person}${choose('way', ['in', 'out'])}`)}
${drawForm('unlink', 'Take the consent back', person)}
<ul>${subscriptions}</ul>
<table>${rows}</table>`;
}

function drawForm(action: string, button: string, fields: Html | string): Html {
  return html`<form method="post" action="${CONTROL_PATH}/${action}"><button>${button}</button> ${fields}</form>`;
}

function choose(name: string, values: readonly string[]): Html {
  return html`<select name="${name}" aria-label="${name}">${values.map((each) => html`<option>${each}</option>`)}</select>`;
}
