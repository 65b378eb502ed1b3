/** The count of this loop in a millisecond on an idle machine. */
const COUNTS_PER_MS = 4_000;
const LOOK_MS = 200;

/**
 * A limit in milliseconds for the machine at hand: longer by as much as it is slow, or busy with something else, right
 * now. What waits for a second too long on a good day is still found out on a bad one.
 */
export function patient(ms: number): number {
  const endsAt = performance.now() + LOOK_MS;
  let counts = 0;
  for (; performance.now() < endsAt; counts += 1) spin();
  return Math.round(ms * Math.max(1, (COUNTS_PER_MS * LOOK_MS) / counts));
}

function spin(): number {
  let mixed = 1;
  for (let round = 0; round < 200; round += 1) mixed = Math.imul(mixed ^ round, 0x5bd1e995);
  return mixed;
}
