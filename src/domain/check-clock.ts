import { type Clock, isPlausible } from './clock.ts';
import { Trouble } from './trouble.ts';

/** How often to look whether the clock has been set. */
const CLOCK_RETRY_MS = 30_000;

/**
 * Call it before anything that goes by the date.
 *
 * @throws Trouble `clock_wrong`
 */
export function checkClock(clock: Clock): void {
  const now = clock.now();
  if (isPlausible(now)) return;
  throw new Trouble(`the clock says ${now.toISOString()}, which cannot be`, {
    code: 'clock_wrong',
    recovery: 'retry',
    hint: 'waiting until it is set; check the network and "timedatectl"',
    waitMs: CLOCK_RETRY_MS,
  });
}
