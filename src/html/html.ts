/** Text that is already HTML: the result of `html`, or our style sheet. */
export interface Html {
  readonly markup: string;
}

type Piece = Html | string | number | false | undefined | readonly Piece[];

/**
 * HTML with values in it. Names and models are data: whatever is not `Html` is escaped, so that it stays text between
 * tags and inside quoted attributes. `false` and `undefined` are nothing, and a list is joined.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Piece[]): Html {
  let markup = strings[0] ?? '';
  for (const [index, value] of values.entries()) markup += write(value) + (strings[index + 1] ?? '');
  return { markup };
}

function write(piece: Piece): string {
  if (piece === undefined || piece === false) return '';
  if (typeof piece === 'string' || typeof piece === 'number') return escapeHtml(String(piece));
  if ('markup' in piece) return piece.markup;
  return piece.map(write).join('');
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
