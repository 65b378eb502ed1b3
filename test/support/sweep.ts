/**
 * Yields the file operations before which an event happens, from the first on. `npm test` uses one of `every` with a
 * changing start, and `npm run torture` all of them.
 */
export function* sweep(every: number): Generator<number, never> {
  const step = process.env['TORTURE_ROUNDS'] === undefined ? every : 1;
  for (let index = Math.floor(Math.random() * step); ; index += step) yield index;
}
