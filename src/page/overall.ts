import { type ActionNeeded, actionsNeeded, drawActionNeeded } from './action-needed.ts';
import { type Html, html } from './html.ts';
import { drawIcon } from './icons.ts';
import type { PageView } from './view.ts';
import { list } from './words.ts';

/** Whether it works, in a few words. */
export function headlineOf(view: PageView): string {
  const matters = actionsNeeded(view);
  const toDo = matters.filter(({ weight }) => weight === 'act').length;
  if (toDo > 0) return toDo === 1 ? 'One thing needs a look' : `${toDo} things need a look`;
  if (matters.some(({ weight }) => weight === 'pass')) return 'A hiccup; nothing to do yet';
  const { callbackUrl, status } = view;
  if (status.people.length === 0) return callbackUrl === undefined ? 'Nearly ready' : 'Ready when you are';
  return callbackUrl === undefined ? 'It works, but late' : 'Everything works';
}

/** How things stand with everything, in words. */
export function drawOverall(view: PageView): Html {
  const matters = actionsNeeded(view);
  const isWell = matters.every(({ weight }) => weight === 'note') && view.callbackUrl !== undefined;
  return html`<section class="overall" aria-labelledby="overall">
<h1 id="overall">${isWell && html`${drawIcon('well')} `}${headlineOf(view)}</h1>
<p>${summaryOf(view, matters)}</p>
${matters.length > 0 && html`<ul class="matters">${matters.map((each) => drawActionNeeded(each, view.now))}</ul>`}
</section>`;
}

function summaryOf({ status: { people, publishers } }: PageView, matters: readonly ActionNeeded[]): string {
  if (people.length === 0) return 'weighbridge runs, and nobody is linked yet. It takes a few minutes:';
  const called = people.filter(({ subscription }) => subscription.state === 'works').length;
  const who = people.length === 1 ? 'One person is linked' : `${people.length} people are linked`;
  const calls = called === people.length && matters.length === 0 ? '; Withings calls after each weigh-in' : '';
  const working = publishers.filter(({ state }) => state === 'works').map(({ name }) => PASSED_TO[name] ?? name);
  const passed = working.length === 0 ? '' : ` Readings are passed on to ${list(working)}.`;
  return `${who}${calls}.${passed}`;
}

const PASSED_TO: Readonly<Record<string, string>> = { mqtt: 'the MQTT broker', hook: 'the hook' };
