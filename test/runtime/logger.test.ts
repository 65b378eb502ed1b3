import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, type LoggerOptions } from '../../src/runtime/logger.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const TOKEN = '3f5a0c9b7e21d4863f5a0c9b7e21d4863f5a0c9b';

function openLog(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    level: 'info',
    format: 'text',
    clock: createFakeClock(new Date('2026-11-20T06:03:10.900Z')),
    write: (line) => lines.push(line),
    secrets: [],
    colour: false,
    isJournalled: false,
    timeZone: 'Europe/Berlin',
    ...options,
  });
  return { log, lines };
}

/** The one line that a logger with these options writes for this text. */
function lineOf(text: string, options: Partial<LoggerOptions> = {}, fields: Record<string, unknown> = {}): string {
  const { log, lines } = openLog(options);
  log.info({ ...fields, event: 'test', text });
  assert.equal(lines.length, 1);
  return lines[0] ?? '';
}

describe('the log', () => {
  it('is a line for people: time with its zone, level, text', () => {
    const { log, lines } = openLog();
    log.info({ event: 'reading', text: 'weight 81.25 kg', weight: 81.25 });
    log.error({ event: 'trouble', text: 'the disk is full' });
    assert.deepEqual(lines, [
      '2026-11-20T07:03:10+01:00 info  weight 81.25 kg',
      '2026-11-20T07:03:10+01:00 error the disk is full',
    ]);
  });

  it('is one JSON object a line with level, time, event and the fields of the event', () => {
    const { level, time, event, weight, userid } = JSON.parse(
      lineOf('weight 81.25 kg', { format: 'json' }, { weight: 81.25, userid: '1234' }),
    );
    assert.deepEqual(
      { level, time, event, weight, userid },
      { level: 'info', time: '2026-11-20T07:03:10+01:00', event: 'test', weight: 81.25, userid: '1234' },
    );
  });

  for (const [level, expected] of [
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
  ] as const) {
    it(`at level ${level} contains ${expected.join(', ')}`, () => {
      const { log, lines } = openLog({ level, format: 'json' });
      for (const each of ['debug', 'info', 'warn', 'error'] as const) log[each]({ event: 'test', text: each });
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).level),
        expected,
      );
    });
  }

  it('never throws, whatever a field holds', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    for (const field of [circle, 1n, undefined, Symbol('x'), Number.NaN]) {
      assert.doesNotThrow(() => lineOf('still said', { format: 'json' }, { field }));
    }
  });
});

/** Characters with a special meaning for a terminal, a line reader or `journalctl`. */
const NASTY: Readonly<Record<string, string>> = {
  'a line feed': 'one\ntwo',
  'a carriage return': 'one\rtwo',
  'a Windows line end': 'one\r\ntwo',
  'a next line': 'one\u0085two',
  'a line separator': 'one\u2028two',
  'a paragraph separator': 'one\u2029two',
  'a forged line': 'x\n2026-11-20T07:03:10+01:00 info  weight 20.00 kg',
  'an escape sequence': '\u001b[2J\u001b[31mone',
  'an 8-bit escape sequence': '\u009b2Jone',
  'a bell, a backspace, a null, a delete': '\u0007\b\0\u007f',
  'a tab and a form feed': 'one\ttwo\f\v',
};

describe('a line', () => {
  for (const [what, text] of Object.entries(NASTY)) {
    it(`for people stays one harmless line with ${what} in it`, () => {
      assert.doesNotMatch(lineOf(text), /[\p{Cc}\u2028\u2029]/u);
    });

    it(`of JSON stays one harmless and complete line with ${what} in it`, () => {
      const line = lineOf(text, { format: 'json' }, { field: text });
      assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029]/u);
      assert.equal(JSON.parse(line).text, text);
      assert.equal(JSON.parse(line).field, text);
    });
  }

  it('for people shows changes of the text direction', () => {
    assert.doesNotMatch(lineOf('one\u202egk 02'), /\u202e/u);
  });

  it('keeps letters of every language', () => {
    assert.match(lineOf('Zoë 李 wiegt 81,25 kg ⚖'), /Zoë 李 wiegt 81,25 kg ⚖$/);
  });
});

/** Texts with a part that must not appear in a log, and that part. */
const SECRETS: Readonly<Record<string, readonly [text: string, secret: string]>> = {
  'a token': [`got ${TOKEN}.`, TOKEN],
  'a token in capitals': [`got ${TOKEN.toUpperCase()}`, TOKEN.toUpperCase()],
  'a token in quotes': [`{"refresh_token":"${TOKEN}"}`, TOKEN],
  'a token on a line of its own': [`the answer:\n${TOKEN}\n`, TOKEN],
  'a token after a tab': [`the answer:\t${TOKEN}`, TOKEN],
  'a token after an underscore': [`token_${TOKEN}`, TOKEN],
  'two tokens': [`${TOKEN} ${TOKEN}`, TOKEN],
  'an authorization header': ['Authorization: Bearer abc.DEF-123', 'abc.DEF-123'],
  'a form': ['action=requesttoken&refresh_token=abcDEF&client_secret=ghiJKL', 'abcDEF'],
  'the end of a form': ['refresh_token=abcDEF&client_secret=ghiJKL', 'ghiJKL'],
  'an OAuth code': ['GET /hook?code=abcDEF&state=1', 'abcDEF'],
  'a code in quotes': ['he said "code=abcDEF" twice', 'abcDEF'],
};

describe('a secret', () => {
  for (const format of ['text', 'json'] as const) {
    for (const [what, [text, secret]] of Object.entries(SECRETS)) {
      it(`is masked in a ${format} line: ${what}`, () => {
        const line = lineOf(text, { format }, { field: text });
        assert.ok(!line.includes(secret), line);
        assert.match(line, /\*\*\*/);
        if (format === 'json') assert.doesNotThrow(() => JSON.parse(line), line);
      });
    }

    for (const secret of ['hush-hush', 'hush "hush"', 'hush\\hush', 'hush.*hush$&', 'hüsh-hush']) {
      it(`that is known is masked in a ${format} line: ${secret}`, () => {
        const line = lineOf(`one ${secret} two ${secret}`, { format, secrets: ['', secret] }, { field: `/${secret}/` });
        assert.doesNotMatch(line, /h[uü]sh/);
        assert.match(line, /one \*\*\* two \*\*\*/);
      });
    }
  }

  it('leaves the fields that programs use, also if a password has the same text', () => {
    const secrets = ['test', 'info', '2026-11-20'];
    const { level, event, time, text, field } = JSON.parse(
      lineOf('a test', { format: 'json', secrets }, { field: 'info' }),
    );
    assert.deepEqual([level, event, text, field], ['info', 'test', 'a ***', '***']);
    assert.match(time, /^2026-11-20T/);
    assert.match(lineOf('a test', { secrets }), /^2026-11-20T\S+ info {2}a \*\*\*$/);
  });

  it('leaves the line valid JSON if it is part of a number or a name', () => {
    const line = lineOf('hello', { format: 'json', secrets: ['123456', 'public'] }, { grpid: 6123456789, public: {} });
    assert.doesNotThrow(() => JSON.parse(line), line);
  });

  it('is not suspected in common text', () => {
    const text = 'Anna (1234): 81.25 kg (+0.40), measured 2026-11-20T07:01:02+01:00, Body+ 6123456789';
    assert.ok(lineOf(text).endsWith(text));
  });
});

describe('colour', () => {
  const write = (options: Partial<LoggerOptions>) => {
    const { log, lines } = openLog({ level: 'debug', ...options });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({ event: 'test', text: level });
    return lines;
  };

  it('marks warnings and errors on request, and ends with the line', () => {
    const [debug, info, warn, error] = write({ colour: true });
    for (const line of [debug, info]) assert.ok(!line?.includes('\u001b'));
    for (const line of [warn, error]) assert.ok(line?.startsWith('\u001b[') && line.endsWith('\u001b[0m'), line);
  });

  it('is absent by default, and never in JSON', () => {
    const lines = [...write({ colour: false }), ...write({ colour: true, format: 'json' })];
    assert.equal(lines.length, 8);
    for (const line of lines) assert.ok(!line.includes('\u001b'), line);
  });
});

describe('in the journal of systemd', () => {
  const write = (options: Partial<LoggerOptions>) => {
    const { log, lines } = openLog({ level: 'debug', isJournalled: true, ...options });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({ event: 'test', text: 'one\n<0>two' });
    return lines;
  };

  it('a line starts with its priority and has no time, which the journal adds', () => {
    const text = 'one | <0>two';
    assert.deepEqual(write({}), [`<7>debug ${text}`, `<6>info  ${text}`, `<4>warn  ${text}`, `<3>error ${text}`]);
  });

  it('an object has its priority before it, and is otherwise unchanged', () => {
    const [line = ''] = write({ format: 'json' });
    assert.ok(line.startsWith('<7>{'), line);
    assert.equal(JSON.parse(line.slice('<7>'.length)).time, '2026-11-20T07:03:10+01:00');
  });
});
