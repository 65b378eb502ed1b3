import type { Clock } from '../domain/clock.ts';

const WINDOW_MS = 60_000;
/** A household that mistypes needs a few. At ten a minute a password of four random words lasts for ages. */
const MOST_WRONG = 10;

/**
 * How many wrong passwords are taken. Counted from everywhere together: an address costs nothing in a LAN with IPv6,
 * and behind a proxy there is but one. The same password again is no further guess, so that a monitor with an old one
 * shuts nobody out. While the limit lasts the right one is refused as well, otherwise it would not be a limit.
 */
export interface Guesses {
  /** How long nothing is taken any more, in milliseconds; 0 while there is room for a guess. */
  pauseMs(): number;
  /** Returns true when this was the last one for now. */
  wrong(password: string): boolean;
}

export function createGuesses(clock: Pick<Clock, 'elapsedMs'>): Guesses {
  const wrong = new Set<string>();
  let endMs = Number.NEGATIVE_INFINITY;

  const startOver = () => {
    if (clock.elapsedMs() >= endMs) wrong.clear();
  };

  return {
    pauseMs() {
      startOver();
      return wrong.size < MOST_WRONG ? 0 : endMs - clock.elapsedMs();
    },
    wrong(password) {
      startOver();
      if (wrong.size === 0) endMs = clock.elapsedMs() + WINDOW_MS;
      const before = wrong.size;
      wrong.add(password);
      return before < MOST_WRONG && wrong.size === MOST_WRONG;
    },
  };
}
