import type { Clock } from '../../domain/clock.ts';
import { retry } from '../../domain/retry.ts';
import type { Trouble } from '../../domain/trouble.ts';
import type { PublisherTroubles } from '../status/troubles.ts';

/** A restarting broker is back within seconds. weighbridge retries one that is away for days every ten minutes. */
const BACKOFF = { firstMs: 1_000, longestMs: 600_000 };

/**
 * Retries work for as long as it takes, and reports its troubles.
 *
 * @param met the codes of the troubles that are over when the work is done
 * @param isGivenUp the troubles that end the retries
 * @throws the trouble that ends the retries; the reason of the signal
 */
export type Persist = <T>(
  work: () => Promise<T>,
  met?: Set<string>,
  isGivenUp?: (trouble: Trouble) => boolean,
) => Promise<T>;

export function createPersist(ports: {
  readonly troubles: Pick<PublisherTroubles, 'report' | 'over'>;
  readonly clock: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random: () => number;
  readonly signal: AbortSignal;
}): Persist {
  const { troubles, clock, random, signal } = ports;
  return async (work, met = new Set(), isGivenUp = () => false) => {
    const done = await retry(work, {
      clock,
      random,
      signal,
      backoff: BACKOFF,
      isWorth: (trouble) => !isGivenUp(trouble),
      onWait(trouble) {
        troubles.report(trouble);
        met.add(trouble.code);
      },
    });
    troubles.over(met);
    met.clear();
    return done;
  };
}
