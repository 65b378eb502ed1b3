/**
 * The file operations before which something happens, from the first on. `npm test` takes one of `every`, from another
 * one on each time, and `npm run torture` all of them.
 */
export function* sweep(every: number): Generator<number, never> {
  const step = process.env['TORTURE_ROUNDS'] === undefined ? every : 1;
  for (let index = Math.floor(Math.random() * step); ; index += step) yield index;
}
