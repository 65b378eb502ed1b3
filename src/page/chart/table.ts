import { type Html, html } from '../html.ts';
import { MONTHS, WEEKDAYS } from '../words.ts';
import type { BucketUnit } from './buckets.ts';

/** What a row of a table stands for, in two parts, of which neighbours share the second: `Thu 12`, `November 2026`. */
export interface RowName {
  readonly head: string;
  readonly group: string;
}

export function nameRow(unit: BucketUnit, startMs: number): RowName {
  const date = new Date(startMs);
  const month = MONTHS[date.getMonth()] ?? '';
  const year = String(date.getFullYear());
  if (unit === 'month') return { head: month, group: year };
  const weekday = WEEKDAYS[date.getDay()] ?? '';
  const head = unit === 'day' ? `${weekday.slice(0, 3)} ${date.getDate()}` : `week of ${date.getDate()}`;
  return { head, group: `${month} ${year}` };
}

export interface Row {
  readonly name: RowName;
  readonly cells: readonly string[];
}

/** The same as the picture, to read: for whoever cannot see it, and for the script, which has no other source. */
export function drawTable(options: {
  readonly id: string;
  /** `Weight of Anna` */
  readonly caption: Html;
  readonly heads: readonly string[];
  /** Oldest first, as in the picture. */
  readonly rows: readonly Row[];
}): Html {
  const { id, caption, heads, rows } = options;
  return html`<details class="values" id="d${id}">
<summary>All values<span class="unseen">: ${caption}</span></summary>
<div class="scroll" role="region" tabindex="0" aria-labelledby="c${id}">
<table id="t${id}"><caption id="c${id}">${caption}</caption>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
${groups(rows).map((group) => drawGroup(group, heads.length))}</table>
</div>
</details>`;
}

/** End tags that HTML can do without are left out: there are hundreds of these rows. */
function drawGroup(rows: readonly Row[], columns: number): Html {
  return html`<tbody><tr><th colspan="${columns}" scope="rowgroup">${rows[0]?.name.group}
${rows.map(({ name, cells }) => html`<tr><th>${name.head}${cells.map((cell) => html`<td>${cell}`)}\n`)}</tbody>`;
}

/** Newest first, in groups of neighbours. */
function groups(rows: readonly Row[]): Row[][] {
  const found: Row[][] = [];
  for (const row of rows.toReversed()) {
    const last = found.at(-1);
    if (last?.[0]?.name.group === row.name.group) last.push(row);
    else found.push([row]);
  }
  return found;
}
