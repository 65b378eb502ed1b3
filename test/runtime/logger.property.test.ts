import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createLogger, type LoggerOptions } from '../../src/runtime/logger.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { anything, check, text } from '../support/property.ts';

const BREAKS = /[\p{Cc}\u2028\u2029]/u;
const format = fc.constantFrom('text' as const, 'json' as const);
const word = fc.string({ unit: fc.constantFrom(...'abcxyzABC0189-._~'), minLength: 6, maxLength: 40 });
const token = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 40, maxLength: 40 });

/** Returns all output of one entry. */
function linesOf(entry: Readonly<Record<string, unknown>>, said: string, options: Partial<LoggerOptions>): string[] {
  const lines: string[] = [];
  const log = createLogger({
    level: 'info',
    format: 'text',
    clock: createFakeClock(),
    write: (line) => lines.push(line),
    secrets: [],
    colour: false,
    isJournalled: false,
    timeZone: 'Europe/Vienna',
    ...options,
  });
  log.info({ ...entry, event: 'test', text: said });
  return lines;
}

/** Places a secret in the text, in a field, deep in a field, or within an error message. */
const hide = (secret: string, before: string, after: string) => {
  const said = `${before}${secret}${after}`;
  return { said, fields: { field: said, list: [{ deep: said }], error: new Error(said) } };
};

describe('an entry of the log', () => {
  test('is one line without a control character, whatever its text is', () => {
    check(
      fc.property(text, fc.dictionary(text, anything), format, fc.array(text), (said, fields, kind, secrets) => {
        const lines = linesOf(fields, said, { format: kind, secrets });
        assert.equal(lines.length, 1);
        assert.doesNotMatch(lines[0] ?? '', BREAKS);
      }),
    );
  });

  test('is a JSON object with its event, whatever its fields contain', () => {
    check(
      fc.property(text, fc.dictionary(text, anything), (said, fields) => {
        const [line = ''] = linesOf(fields, said, { format: 'json' });
        assert.equal(JSON.parse(line).event, 'test');
      }),
    );
  });

  test('has its complete text in JSON, without secrets', () => {
    check(
      fc.property(text, (said) => {
        assert.equal(JSON.parse(linesOf({}, said, { format: 'json' })[0] ?? '').text, said);
      }),
    );
  });

  test('is written even if it is too deep or circular', () => {
    check(
      fc.property(fc.nat(20_000), fc.boolean(), (depth, isCircle) => {
        const innermost: unknown[] = [];
        let field: unknown = innermost;
        for (let level = 0; level < depth; level += 1) field = [field];
        if (isCircle) innermost.push(field);
        const [line = ''] = linesOf({ field }, 'still said', { format: 'json' });
        assert.equal(JSON.parse(line).text, 'still said');
      }),
    );
  });
});

describe('a secret', () => {
  test('that is known appears nowhere in a line', () => {
    check(
      fc.property(fc.array(word, { minLength: 1 }), text, text, format, (secrets, before, after, kind) => {
        for (const secret of secrets) {
          const { said, fields } = hide(secret, before, after);
          for (const line of linesOf(fields, said, { format: kind, secrets })) {
            assert.ok(!line.includes(secret), line);
          }
        }
      }),
    );
  });

  test('that starts with another one is hidden to its end', () => {
    check(
      fc.property(word, word, format, (short, rest, kind) => {
        const { said, fields } = hide(`${short}${rest}`, '<', '>');
        for (const line of linesOf(fields, said, { format: kind, secrets: [short, `${short}${rest}`] })) {
          assert.ok(!line.includes(rest), line);
        }
      }),
    );
  });

  test('that only looks like a token appears nowhere in a line', () => {
    const border = fc
      .oneof(text, fc.constantFrom('"', '_', '=', '\t', 'Bearer '))
      .map((it) => it.replace(/[0-9a-f]/gi, 'g'));
    check(
      fc.property(token, border, border, format, (secret, before, after, kind) => {
        const { said, fields } = hide(secret, before, after);
        for (const line of linesOf(fields, said, { format: kind })) assert.ok(!line.includes(secret), line);
      }),
    );
  });

  test('with a label appears nowhere in a line, a header or a form', () => {
    const label = fc.constantFrom('Bearer ', 'access_token=', 'refresh_token=', 'client_secret=', 'code=');
    const around = fc.constantFrom('', ' ', '?', '&', '"', '\n', '(');
    check(
      fc.property(label, word, around, around, format, (named, secret, before, after, kind) => {
        const { said, fields } = hide(`${named}${secret}`, before, after);
        for (const line of linesOf(fields, said, { format: kind })) assert.ok(!line.includes(secret), line);
      }),
    );
  });
});
