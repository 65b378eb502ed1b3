import { type Html, html } from '../html.ts';
import type { Paths } from './paths.ts';
import { SIDE } from './paths.ts';
import type { Tick } from './scale.ts';

export interface Plot {
  /** Of the scrubber. */
  readonly id: string;
  /** The picture in a sentence. */
  readonly description: string;
  readonly paths: Paths;
  readonly valueTicks: readonly Tick[];
  readonly timeTicks: readonly Tick[];
  /** Which column of which table holds the values; those of the trend and of the number of weigh-ins, if any. */
  readonly table: string;
  readonly columns: { readonly value: number; readonly trend?: number; readonly count?: number };
  readonly suffix: string;
  readonly count: number;
  /** What the scrubber steps through. */
  readonly label: string;
  /** The newest point, as the script says it. */
  readonly newest: string;
}

/**
 * The picture has no size of its own. Labels and lines are placed in per cent, so that they keep their size on a phone;
 * only the square with the curves is stretched, and there strokes keep their width.
 */
export function drawPlot(plot: Plot): Html {
  const { columns, paths } = plot;
  return html`<div class="plot" data-table="t${plot.table}" data-value="${columns.value}" data-trend="${columns.trend}"
 data-count="${columns.count}" data-suffix="${plot.suffix}">
<svg role="img" aria-label="${plot.description}">
${plot.timeTicks.map(drawTimeTick)}${plot.valueTicks.map(drawValueTick)}
<svg viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" overflow="visible">
<path class="band" d="${paths.band}"/><path class="dots" d="${paths.dots}"/><path class="trend" d="${paths.trend}"/>
</svg>
<g class="cursor" visibility="hidden"><line y2="100%"/><circle r="5"/></g>
</svg>
<input type="range" id="${plot.id}" min="0" max="${plot.count - 1}" value="${plot.count - 1}" hidden aria-label="${plot.label}" aria-valuetext="${plot.newest}">
</div>`;
}

function drawValueTick({ position, label }: Tick): Html {
  const y = percent(1 - position);
  return html`<line class="grid" y1="${y}" y2="${y}" x2="100%"/><text class="value" x="-8" y="${y}" dy=".32em">${label}</text>`;
}

function drawTimeTick({ position, label }: Tick): Html {
  const x = percent(position);
  return html`<line class="time" x1="${x}" x2="${x}" y2="100%"/><text class="time" x="${x}" y="100%" dy="1.6em">${label}</text>`;
}

function percent(position: number): string {
  return `${Math.round(position * 1000) / 10}%`;
}
