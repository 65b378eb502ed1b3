const BETWEEN = '  ';
const LETTERS = new Intl.Segmenter();

/** Lines whose cells stand below each other. Each cell becomes one line of printable text. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => cell.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell));
  }
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - width(cell));
  return cells.map((row) => row.map(pad).join(BETWEEN).trimEnd());
}

/** How many letters people see, whatever they are made of. */
function width(text: string): number {
  return [...LETTERS.segment(text)].length;
}
