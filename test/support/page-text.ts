/** Returns the text of a page without tags and with decoded characters. */
export function textOf(markup: string): string {
  return decode(markup.replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ');
}

function decode(text: string): string {
  return text.replace(/&#([0-9]+);/g, (_, code) => String.fromCharCode(Number(code)));
}

/** Returns the rows of a table by its id, newest first, with their labels and cells. */
export function rowsOf(markup: string, id: string): (readonly string[])[] {
  const [, table = ''] = new RegExp(`<table id="${id}">(.*?)</table>`, 's').exec(markup) ?? [];
  return [...table.matchAll(/<tbody>(.*?)<\/tbody>/gs)].flatMap(([, body = '']) => {
    const [group = '', ...rows] = body.split('<tr>').filter((row) => row !== '');
    return rows.map((row) => {
      const [name = '', ...cells] = row.split(/<t[hd]>/).slice(1);
      return [`${textOf(name).trim()} ${textOf(group).trim()}`, ...cells.map((cell) => textOf(cell).trim())];
    });
  });
}

/** The places of the dots of a picture by the id of its scrubber, oldest first. */
export function dotsOf(markup: string, id: string): { readonly x: number; readonly y: number }[] {
  const [before = ''] = markup.split(`id="${id}"`);
  const [, path = ''] = /class="dots" d="([^"]*)"(?!.*class="dots")/s.exec(before) ?? [];
  return [...path.matchAll(/M(-?[0-9]+) (-?[0-9]+)h0/g)].map(([, x, y]) => ({ x: Number(x), y: Number(y) }));
}
