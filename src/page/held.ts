import { timeFormat } from 'd3-time-format';
import { formatWeight } from '../domain/format.ts';
import type { HeldReason } from '../domain/reading.ts';
import type { PersonStatus } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import { nameOf } from './parts.ts';
import type { PageView } from './view.ts';

/** The most that are shown. A person with more of them has another problem. */
const MOST_SHOWN = 3;

const minute = timeFormat('%-d %b %Y, %H:%M');

/** The readings that do not count: a person's newest held ones, with how to take them back, and the unreadable ones. */
export function drawHeld(person: PersonStatus, { unit }: Pick<PageView, 'unit'>): Html {
  const { held, unreadable } = person;
  const shown = held.slice(-MOST_SHOWN).reverse();
  const more = held.length - shown.length;
  return html`${shown.map(({ groupId, takenAt, weight, held: reason }) => {
    const what = weight === undefined ? 'values without a weight' : formatWeight(weight, unit).replace('-', '−');
    return html`<p class="hint held">Held: ${what}, ${minute(takenAt)}. ${
      reason && WHY[reason](html`<bdi>${nameOf(person)}</bdi>`)
    } To take it back: <code>weighbridge forget ${person.userId} ${groupId}</code></p>\n`;
  })}${more > 0 && html`<p class="hint held">${more} more ${more === 1 ? 'is' : 'are'} held. <code>weighbridge export</code> lists them.</p>\n`}${
    unreadable > 0 &&
    html`<p class="hint unreadable">weighbridge cannot read ${unreadable === 1 ? 'a measure group' : `${unreadable} measure groups`} that Withings sent. <code>data/unreadable.jsonl</code> keeps what Withings sent.</p>`
  }`;
}

const WHY: Readonly<Record<HeldReason, (name: Html) => Html>> = {
  future: () => html`It was dated ahead of the clock. Check the clock of the scale.`,
  impossible: () => html`No scale can weigh this.`,
  jump: (name) => html`It is far from ${name}’s other weights. A second weight like it releases both.`,
};
