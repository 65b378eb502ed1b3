import type { MeasureAnswer } from '../../domain/measure.ts';
import { Trouble } from '../../domain/trouble.ts';

/** Some hundred thousand groups: more than a person has. Behind that Withings may go on without end. */
const MOST_PARTS = 40;

/**
 * The parts of an answer. The next one is asked for when the caller is done with the one before, so that two are never
 * held at once. Where the last of them has a `next`, there is more than weighbridge asks for at a time.
 */
export async function* partsOf(
  first: MeasureAnswer,
  ask: (offset: number) => Promise<MeasureAnswer>,
): AsyncGenerator<MeasureAnswer> {
  let part = first;
  for (let count = 1; ; count += 1) {
    yield part;
    if (part.next === undefined || count === MOST_PARTS) return;
    part = await ask(part.next);
  }
}

export function tooLong(): Trouble {
  return new Trouble('Withings has more for one question than weighbridge asks for at a time', {
    code: 'answer_too_long',
    recovery: 'retry',
    hint: 'what came is in the journal; please report this if it stays',
  });
}
