import type { MeasureAnswer, MeasureQuery } from '../../domain/measure.ts';
import { Trouble } from '../../domain/trouble.ts';

/** Some hundred thousand groups, more than a person has. Beyond that Withings may go on without end. */
const MOST_PARTS = 40;

/** An answer whose first part is there. */
export interface PartedAnswer {
  readonly first: MeasureAnswer;
  /**
   * All parts, including the first. The next part is fetched after the caller is done with the previous one, so that
   * memory never holds two. If the last one has a `next`, there is more than weighbridge fetches at a time.
   */
  parts(): AsyncGenerator<MeasureAnswer>;
}

/**
 * Fetches the first part, and later the others by the same query.
 *
 * @param ask may call twice, and makes a new query for each call: Withings refuses the same arguments
 */
export async function askInParts(
  makeQuery: () => MeasureQuery,
  ask: (queryOf: () => MeasureQuery, offset?: number) => Promise<MeasureAnswer>,
): Promise<PartedAnswer> {
  let query: MeasureQuery | undefined;
  const anew = () => {
    query = makeQuery();
    return query;
  };
  const first = await ask(anew);
  return {
    first,
    async *parts() {
      let part = first;
      for (let count = 1; ; count += 1) {
        yield part;
        if (part.next === undefined || count === MOST_PARTS) return;
        part = await ask(() => query ?? anew(), part.next);
      }
    },
  };
}

/**
 * The trouble with an answer that is not whole.
 *
 * @param next the `next` of its last part
 */
export function brokenOff(next: number | undefined): Trouble {
  const [code, what] =
    next === undefined
      ? ['answer_cut_off', 'Withings has more measurements, but its answer does not show how to ask for them']
      : ['answer_too_long', 'Withings has more measurements than weighbridge asks for at a time'];
  const hint = 'The journal has all that arrived. If this stays, please report it.';
  return new Trouble(what, { code, recovery: 'retry', hint });
}
