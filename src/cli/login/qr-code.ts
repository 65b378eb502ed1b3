import { renderUnicodeCompact } from 'uqr';

/** The standard border is 4 modules; 2 are enough for phone cameras. */
const BORDER = 2;
/** White on black, whatever colours the terminal has. */
const WHITE_ON_BLACK = '\u001b[97;40m';
const PLAIN = '\u001b[0m';

/** Draws two modules in a character. Undefined if the terminal is too narrow. */
export function drawQrCode(text: string, { columns, colour }: { readonly columns: number; readonly colour: boolean }) {
  const lines = renderUnicodeCompact(text, { border: BORDER }).split('\n');
  if ((lines[0]?.length ?? 0) > columns) return undefined;
  return lines.map((line) => (colour ? `${WHITE_ON_BLACK}${line}${PLAIN}` : line)).join('\n');
}
