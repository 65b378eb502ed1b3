import type { PersonStatus } from '../../domain/status.ts';
import { type Html, html } from '../html.ts';
import { nameOf } from '../parts.ts';
import { isComposition, quantityOf, sortQuantities } from '../quantity.ts';
import type { PageView } from '../view.ts';
import { drawSmallCharts, type Measured } from './small-charts.ts';
import { spanOf } from './span.ts';
import { drawWeightChart } from './weight-chart.ts';

/** All pictures of a person, over the same time. */
export function drawCharts(person: PersonStatus, { histories, range, unit, now }: PageView): Html {
  const { userId } = person;
  const name = nameOf(person);
  const measure = (key: string): Measured => ({
    quantity: quantityOf(key, unit),
    values: histories.valuesOf(userId, key),
  });
  const weight = measure('weight');
  const others = sortQuantities(histories.quantitiesOf(userId)).map(measure);
  const span = spanOf(
    range,
    now,
    [weight, ...others].map(({ values }) => values),
  );
  const composition = others.filter(({ quantity }) => isComposition(quantity.key));
  const rest = others.filter(({ quantity }) => !isComposition(quantity.key));

  const small = drawSmallCharts({
    id: `b${userId}`,
    name,
    caption: 'Body composition',
    measured: composition,
    span,
    now,
  });
  const more = drawSmallCharts({ id: `m${userId}`, name, caption: 'More measurements', measured: rest, span, now });
  return html`${drawWeightChart({ id: `w${userId}`, name, ...weight, span, now })}
${small !== undefined && html`<section class="composition"><h3 class="unseen">Body composition</h3>${small}</section>`}
${more !== undefined && html`<details class="more" id="more${userId}"><summary>More measurements</summary>${more}</details>`}`;
}
