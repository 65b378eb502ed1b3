import type { Clock } from '../../domain/clock.ts';

const MINUTE_MS = 60_000;
/** A household that mistypes needs a few. At ten a minute a password of four random words lasts for ages. */
const MOST_A_MINUTE = 10;
const HOUR_MS = 60 * MINUTE_MS;
/** Nobody mistypes so often; somebody stays below the limit. */
const MANY_AN_HOUR = 30;

/**
 * How many wrong passwords are taken. Counted from everywhere together: an address costs nothing in a LAN with IPv6,
 * and behind a proxy there is but one. The same password again is no further guess, so that a monitor with an old one
 * shuts nobody out. While the limit lasts the right one is refused as well, otherwise it would not be a limit.
 */
export interface Guesses {
  /** How long nothing is taken any more, in milliseconds; 0 while there is room for a guess. */
  pauseMs(): number;
  /** Returns true when this was the last one for now, or one of so many that nobody mistypes so often. */
  wrong(password: string): boolean;
}

export function createGuesses(clock: Pick<Clock, 'elapsedMs'>): Guesses {
  const minute = createCount(clock, MINUTE_MS, MOST_A_MINUTE);
  const hour = createCount(clock, HOUR_MS, MANY_AN_HOUR);
  return {
    pauseMs: minute.fullForMs,
    wrong(password) {
      const isLast = minute.add(password);
      const isMany = hour.add(password);
      return isLast || isMany;
    },
  };
}

/** Counts different passwords, up to so many, within a time that begins with the first of them. */
function createCount({ elapsedMs }: Pick<Clock, 'elapsedMs'>, lengthMs: number, most: number) {
  const passwords = new Set<string>();
  let endMs = Number.NEGATIVE_INFINITY;
  const startOver = () => {
    if (elapsedMs() >= endMs) passwords.clear();
  };

  return {
    fullForMs(): number {
      startOver();
      return passwords.size < most ? 0 : endMs - elapsedMs();
    },
    /** Returns true when this one has made it full. */
    add(password: string): boolean {
      startOver();
      if (passwords.size === 0) endMs = elapsedMs() + lengthMs;
      if (passwords.size >= most || passwords.has(password)) return false;
      passwords.add(password);
      return passwords.size === most;
    },
  };
}
