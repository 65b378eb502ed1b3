/** A typing mistake changes a third of a name at most. */
const FARTHEST = 3;

/** The one of `names` that `name` was probably meant to be. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const [best] = names
    .map((each) => ({ each, distance: editDistance(name, each) }))
    .filter(({ distance }) => distance * FARTHEST <= name.length)
    .sort((a, b) => a.distance - b.distance);
  return best?.each;
}

/** How many letters must be typed, deleted or replaced to turn one into the other (Levenshtein). */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1];
    for (const [column, against] of [...other].entries()) {
      const replaced = (row[column] ?? 0) + (letter === against ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
