import { groups } from 'd3-array';
import { timeFormat } from 'd3-time-format';
import { type Html, html } from '../../html/html.ts';
import type { BucketUnit } from './course.ts';

const DAYS = { head: timeFormat('%a %-d'), group: timeFormat('%B %Y') };
const NAMES = {
  day: DAYS,
  week: { ...DAYS, head: timeFormat('week of %-d') },
  month: { head: timeFormat('%B'), group: timeFormat('%Y') },
} as const;

/** The name of a row in two parts. Neighbours share the second: `Thu 12`, `November 2026`. */
export interface RowName {
  readonly head: string;
  readonly group: string;
}

export function nameRow(unit: BucketUnit, startMs: number): RowName {
  const { head, group } = NAMES[unit];
  const date = new Date(startMs);
  return { head: head(date), group: group(date) };
}

export interface Row {
  readonly name: RowName;
  readonly cells: readonly string[];
}

/** The name of rows that combine several values. */
export const AVERAGES = { day: 'daily averages', week: 'weekly averages', month: 'monthly averages' } as const;

/** The picture as text, for readers who cannot see it, and for the script, which has no other source. */
export function drawTable(options: {
  readonly id: string;
  /** `Weight as table` */
  readonly summary: string;
  /** `Weight of Anna, daily averages` */
  readonly caption: Html;
  readonly heads: readonly string[];
  /** Oldest first, as in the picture. */
  readonly rows: readonly Row[];
}): Html {
  const { id, summary, caption, heads, rows } = options;
  const newestFirst = groups(rows.toReversed(), ({ name }) => name.group);
  return html`<details class="values" id="d${id}">
<summary>${summary}<span class="unseen">: ${caption}</span></summary>
<div class="scroll" role="region" tabindex="0" aria-labelledby="c${id}">
<table id="t${id}"><caption id="c${id}">${caption}</caption>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
${newestFirst.map(([name, members]) => drawGroup(name, members, heads.length))}</table>
</div>
</details>`;
}

/** Omits the optional end tags of HTML, because there are hundreds of these rows. */
function drawGroup(group: string, rows: readonly Row[], columns: number): Html {
  return html`<tbody><tr><th colspan="${columns}" scope="rowgroup">${group}
${rows.map(({ name, cells }) => html`<tr><th>${name.head}${cells.map((cell) => html`<td>${cell}`)}\n`)}</tbody>`;
}
