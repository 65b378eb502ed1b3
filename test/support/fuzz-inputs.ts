import { gzipSync } from 'node:zlib';
import { createDraw, type Draw } from './draw.ts';
import { CALLBACK_PATH } from './home.ts';

/** The bytes for the public port, one character each, in the order of one connection. */
export interface FuzzInput {
  readonly kind: string;
  readonly pieces: readonly string[];
  /** The pause between two pieces. */
  readonly pauseMs: number;
  /** The end of the client: it waits for the answer, closes its side, or vanishes. */
  readonly ending: 'wait' | 'end' | 'reset';
}

/** One input in so many comes from a slow client. */
const ONE_SLOW_IN = 50;
const SLOW_PAUSE_MS = 500;
const SLOW_PIECES = 40;

/** The input of this number: always the same one for the same seed. */
export function fuzzInput(seed: number, index: number): FuzzInput {
  const draw = createDraw(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  return index % ONE_SLOW_IN === 0 ? slowInput(draw) : quickInput(draw);
}

export const isSlow = ({ pauseMs }: FuzzInput) => pauseMs >= SLOW_PAUSE_MS;

function quickInput(draw: Draw): FuzzInput {
  const kind = draw.pick(QUICK_KINDS);
  const made = QUICK[kind]?.(draw) ?? '';
  const bytes = draw.chance(0.1) ? mutate(draw, made) : made;
  const cut = draw.chance(0.2) ? draw.int(0, bytes.length) : bytes.length;
  return {
    kind,
    pieces: [bytes.slice(0, cut), bytes.slice(cut)].filter((piece) => piece !== ''),
    pauseMs: 1,
    ending: draw.pick(['wait', 'wait', 'wait', 'wait', 'wait', 'wait', 'wait', 'end', 'end', 'reset']),
  };
}

function slowInput(draw: Draw): FuzzInput {
  const kind = draw.pick(SLOW_KINDS);
  const { first, drip } = SLOW[kind]?.(draw) ?? { first: '', drip: '' };
  const drips = Array.from({ length: drip === '' ? 0 : SLOW_PIECES }, () => drip);
  return { kind, pieces: first === '' ? drips : [first, ...drips], pauseMs: SLOW_PAUSE_MS, ending: 'wait' };
}

const FORM = 'Content-Type: application/x-www-form-urlencoded';
const WEIGH_IN = 'userid=1234&appli=1&startdate=1795154462&enddate=1795154463';

/** The target has the right secret half of the time, else a wrong one or none. */
const target = (draw: Draw) =>
  draw.pick([CALLBACK_PATH, CALLBACK_PATH, CALLBACK_PATH, `${CALLBACK_PATH}0`, '/withingsWebhook/wrong', '/']);
const body = (draw: Draw) =>
  draw.pick([WEIGH_IN, WEIGH_IN, `userid=${draw.int(1, 1e12)}&appli=1`, `userid=1234&appli=${draw.int(0, 99)}`, 'a=1']);
const head = (draw: Draw, headers: readonly string[], method = 'POST') =>
  `${[`${method} ${target(draw)} HTTP/1.1`, 'Host: x', ...headers].join('\r\n')}\r\n\r\n`;
const post = (draw: Draw, form: string, headers: readonly string[] = [FORM]) =>
  `${head(draw, [...headers, `Content-Length: ${form.length}`])}${form}`;
const chunked = (draw: Draw, chunks: string) => `${head(draw, [FORM, 'Transfer-Encoding: chunked'])}${chunks}`;
const times = (count: number, text: (index: number) => string) => Array.from({ length: count }, (_, at) => text(at));

type Maker = (draw: Draw) => string;

const QUICK: Readonly<Record<string, Maker>> = {
  'valid notification': (draw) => post(draw, WEIGH_IN),
  'random bytes': (draw) => draw.bytes(draw.int(1, 2000)),
  'broken request line': (draw) =>
    `${draw.pick(['', ' ', 'POST', `POST ${target(draw)}`, `POST  ${target(draw)}  HTTP/1.1`, `${target(draw)} POST HTTP/1.1`, `POST\t${target(draw)}\tHTTP/1.1`, `POST /\x00 HTTP/1.1`, `POST ${'/a'.repeat(9000)} HTTP/1.1`, `\x16\x03\x01\x02\x00${draw.bytes(60)}`])}\r\nHost: x\r\n\r\n`,
  'bad version': (draw) =>
    `POST ${target(draw)} ${draw.pick(['HTTP/0.9', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/9.9', 'HTTP/1.1.1', 'HTTP/-1', 'http/1.1', 'HTTP/1', 'ICY/1.1', 'HTTP/1.1 HTTP/1.1'])}\r\nHost: x\r\n\r\n`,
  'odd header': (draw) =>
    head(draw, [
      draw.pick([
        'X: \x00',
        'X\x00: 1',
        ': 1',
        'X',
        'X : 1',
        ' X: 1',
        'X: 1\r\n folded',
        'X: \xff\xfe',
        'X: 1\rY: 2',
        'X: \x7f',
        'X: 1\nY: 2',
        'Host: y',
        'Host:',
        '__proto__: 1',
      ]),
    ]),
  'oversized header': (draw) => head(draw, [`X: ${'x'.repeat(draw.int(4_000, 70_000))}`]),
  'duplicate header': (draw) =>
    post(
      draw,
      body(draw),
      times(draw.int(2, 20), () =>
        draw.pick([FORM, 'Content-Type: text/plain', 'Host: y', 'Cookie: a=1', 'Connection: close']),
      ),
    ),
  'header flood': (draw) =>
    head(
      draw,
      times(draw.int(100, 5_000), (at) => `X${at}: 1`),
    ),
  'wrong length': (draw) => {
    const length = draw.pick([
      '0',
      '1',
      '59',
      '61',
      '4096',
      '4097',
      '-1',
      '+59',
      '0x3b',
      '59.5',
      '1e3',
      '',
      '99999999999999999999',
      '9007199254740993',
      '59, 59',
      '59\r\nContent-Length: 60',
      '59\r\nTransfer-Encoding: chunked',
    ]);
    return `${head(draw, [FORM, `Content-Length: ${length}`])}${WEIGH_IN}`;
  },
  'chunked abuse': (draw) =>
    chunked(
      draw,
      draw.pick([
        '0\r\n\r\n',
        'zz\r\n',
        '-1\r\nx\r\n',
        'ffffffffffffffff\r\nx',
        `${'0'.repeat(5000)}1\r\nx\r\n0\r\n\r\n`,
        `1;${'e'.repeat(20_000)}\r\nx\r\n0\r\n\r\n`,
        '3b\r\n',
        `3b\r\n${WEIGH_IN}\r\n0\r\n\r\n`,
        `3b\r\n${WEIGH_IN}\r\n0\r\nX: ${'t'.repeat(9000)}\r\n\r\n`,
        `3b\r\n${WEIGH_IN}xx0\r\n\r\n`,
        '1\nx\n0\n\n',
        times(3000, () => '1\r\nx\r\n').join(''),
      ]),
    ),
  'odd transfer encoding': (draw) =>
    `${head(draw, [FORM, `Transfer-Encoding: ${draw.pick(['gzip', 'chunked, chunked', 'identity', 'chunked\r\nTransfer-Encoding: identity', ' chunked', 'xchunked', '\x0bchunked', 'gzip, chunked'])}`])}0\r\n\r\n`,
  'oversized body': (draw) => post(draw, `${WEIGH_IN}&x=`.padEnd(draw.int(4_097, 200_000), 'x')),
  pipelining: (draw) =>
    times(draw.int(2, 40), () =>
      draw.chance(0.8)
        ? post(draw, body(draw))
        : draw.pick([head(draw, [], 'GET'), head(draw, [], 'HEAD'), draw.bytes(20), 'POST\r\n\r\n']),
    ).join(''),
  'thousands of parameters': (draw) =>
    post(
      draw,
      times(draw.int(500, 2_040), () => draw.pick(['a', '=', 'a=', '&', '%']))
        .join('&')
        .slice(0, 4096),
    ),
  'parameters in the URL': (draw) =>
    `POST ${target(draw)}?${times(draw.int(1, 3_000), (at) => `a${at % 99}=${at}`).join('&')} HTTP/1.1\r\nHost: x\r\n\r\n`,
  'nested keys': (draw) =>
    post(
      draw,
      `${WEIGH_IN}&a${times(draw.int(1, 900), () => draw.pick(['[b]', '[]', '[0]', '['])).join('')}=1`.slice(0, 4096),
    ),
  'prototype keys': (draw) =>
    post(
      draw,
      `${body(draw)}&${draw.pick(['__proto__=1', '__proto__[userid]=1', 'constructor[prototype][x]=1', 'hasOwnProperty=1', 'toString=1', '__proto__=1&__proto__=2', 'length=99999999'])}`,
    ),
  'repeated field': (draw) =>
    post(draw, times(draw.int(2, 400), () => draw.pick(['userid=1234', 'appli=1', 'x=1'])).join('&')),
  'odd values': (draw) => {
    const value = () =>
      draw.pick([
        '',
        '-1',
        '1e9',
        '../1',
        '٣',
        '0x10',
        '99999999999999999999',
        'NaN',
        '%00',
        '1234%0A',
        ' 1234',
        'true',
        '1234',
        '4102444800',
        '1',
      ]);
    return post(
      draw,
      `userid=${value()}&appli=${value()}&startdate=${value()}&enddate=${value()}&date=${value()}&action=${value()}`.replace(
        '٣',
        '\xd9\xa3',
      ),
    );
  },
  'unlinked profile': (draw) =>
    post(draw, `userid=1234&appli=46&action=${draw.pick(['unlink', 'delete', 'update', '%00'])}`),
  'odd encoding': (draw) => {
    const zipped = gzipSync(WEIGH_IN).toString('latin1');
    const type = draw.pick([
      FORM,
      `${FORM}; charset=utf-7`,
      `${FORM}; charset=iso-8859-1`,
      `${FORM}; charset="`,
      `${FORM};${';'.repeat(3000)}`,
      'Content-Type: application/json',
      'Content-Type: multipart/form-data; boundary=x',
      'Content-Type: ',
      'Content-Type: \xff/\xff',
    ]);
    const encoding = draw.pick([
      'X: 1',
      'Content-Encoding: gzip',
      'Content-Encoding: br',
      'Content-Encoding: gzip, gzip',
      'Content-Encoding: \xff',
    ]);
    const form = draw.pick([
      zipped,
      WEIGH_IN,
      '{"userid":"1234"}',
      'userid=%c0%b1&appli=%',
      '\xc0\xaf=\xed\xa0\x80',
      '\x00'.repeat(100),
      `userid=1234%00&appli=1`,
      `a=${'%'.repeat(3000)}`,
      `a=${'%ff'.repeat(1300)}`,
      draw.bytes(300),
    ]);
    return post(draw, form, [type, encoding]);
  },
  'odd method': (draw) =>
    head(
      draw,
      [],
      draw.pick([
        'GET',
        'HEAD',
        'PUT',
        'DELETE',
        'OPTIONS',
        'TRACE',
        'PROPFIND',
        'QUERY',
        'M-SEARCH',
        'PURGE',
        'FOO',
        'post',
        'PRI',
        'CONNECT',
        'GET\x00',
        'A'.repeat(5000),
      ]),
    ),
  'expect a go-ahead': (draw) => {
    const expectation = draw.pick(['100-continue', '100-continue', '200-ok', '', '100-continue, 100-continue']);
    return post(draw, draw.pick([WEIGH_IN, '', 'x'.repeat(5000)]), [FORM, `Expect: ${expectation}`]);
  },
  upgrade: (draw) =>
    draw.chance(0.3)
      ? `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${draw.bytes(50)}`
      : `${head(draw, ['Connection: Upgrade, HTTP2-Settings', `Upgrade: ${draw.pick(['websocket', 'h2c', 'TLS/1.0', ''])}`, 'HTTP2-Settings: AAMAAABkAAQ', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'], draw.pick(['GET', 'POST']))}${draw.bytes(20)}`,
  'odd target': (draw) =>
    `${draw.pick(['GET', 'POST', 'OPTIONS', 'CONNECT'])} ${draw.pick(['*', 'x:443', `http://x${CALLBACK_PATH}`, `//x${CALLBACK_PATH}`, `https://u:p@x:99999${CALLBACK_PATH}`, `${CALLBACK_PATH}#x`, `${CALLBACK_PATH}/../..`, `${CALLBACK_PATH}%00`, '/%', '/%ff%fe', '/..%2f..%2fetc/passwd', '?', 'x', '/\xff', `/${'../'.repeat(2000)}`, `${CALLBACK_PATH}?${'?'.repeat(5000)}`, `${CALLBACK_PATH}?__proto__=1`])} HTTP/1.1\r\nHost: x\r\n\r\n`,
};
const QUICK_KINDS = Object.keys(QUICK) as [string, ...string[]];

const SLOW: Readonly<Record<string, (draw: Draw) => { readonly first: string; readonly drip: string }>> = {
  'slow header writer': (draw) => ({ first: `POST ${target(draw)} HTTP/1.1\r\nHost: x\r\n`, drip: 'X: 1\r\n' }),
  'slow byte writer': (draw) => ({ first: '', drip: draw.pick(['P', '\r\n', 'G', '\x00']) }),
  'slow body writer': (draw) => ({ first: head(draw, [FORM, 'Content-Length: 4000']), drip: 'a=1&' }),
  'slow chunk writer': (draw) => ({ first: chunked(draw, ''), drip: '1\r\na\r\n' }),
  'silent client': () => ({ first: '', drip: '' }),
  'half a request': (draw) => ({ first: post(draw, WEIGH_IN).slice(0, draw.int(1, 200)), drip: '' }),
};
const SLOW_KINDS = Object.keys(SLOW) as [string, ...string[]];

/** Changes, removes or repeats a few bytes. */
function mutate(draw: Draw, bytes: string): string {
  let mutated = bytes;
  for (let left = draw.int(1, 4); left > 0; left -= 1) {
    const at = draw.int(0, mutated.length);
    const end = at + draw.int(0, 20);
    mutated =
      mutated.slice(0, at) +
      draw.pick([draw.bytes(1), '', mutated.slice(at, end) + mutated.slice(at, end), '\r\n', '\x00']) +
      mutated.slice(draw.chance(0.5) ? at + 1 : end);
  }
  return mutated;
}
