import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createTokenFiles, readToken } from '../../src/storage/token-files.ts';
import { check, checkAsync, jsonText, text } from '../support/property.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { ANNA, put } from '../support/token-store.contract.ts';

const CHARACTERS = [...'ABCXYZabcxyz0189._~+/=-'];
const token = fc.string({ unit: fc.constantFrom(...CHARACTERS), minLength: 1, maxLength: 60 });
const content = fc.oneof(
  text,
  jsonText,
  fc.array(fc.oneof(text, jsonText)).map((lines) => lines.join('\n')),
);

/** The answer of the token request, whole or only its body, as curl or an editor stores it. */
const answer = (refresh: string) =>
  fc
    .record({ before: fc.dictionary(text, fc.jsonValue()), isBody: fc.boolean(), indent: fc.constantFrom(0, 2) })
    .map(({ before: { body: _body, refresh_token: _old, ...before }, isBody, indent }) => {
      const body = { ...before, refresh_token: refresh };
      return JSON.stringify(isBody ? body : { status: 0, body }, null, indent);
    });

describe('a token file', () => {
  test('contains a token or none, whatever its content is', () => {
    check(
      fc.property(content, (anyText) => {
        const found = readToken(anyText);
        if (found !== undefined) assert.match(found, /^[A-Za-z0-9._~+/=-]{1,1024}$/);
      }),
    );
  });

  test('contains the token of its last line that is not blank', () => {
    const below = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r\n') });
    check(
      fc.property(content, fc.constantFrom('\n', '\r\n'), token, below, (above, lineEnd, last, blank) => {
        assert.equal(readToken(`${above}${lineEnd}${last}${blank}`), last);
      }),
    );
  });

  test('contains the token of an answer at its end, in any format and after any text', () => {
    const withAnswer = token.chain((last) => fc.tuple(fc.constant(last), answer(last)));
    check(
      fc.property(content, withAnswer, fc.constantFrom('', '\n', '\r\n'), (above, [last, json], end) => {
        assert.equal(readToken(`${above}\n${json}${end}`), last);
      }),
    );
  });

  test('contains the token appended to an answer without a final newline', () => {
    const old = token.chain(answer);
    check(fc.property(old, token, (json, last) => assert.equal(readToken(`${json}${last}\n`), last)));
  });

  test('returns the written token, whatever the file contained before', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await checkAsync(
      fc.asyncProperty(content, token, async (before, next) => {
        await writeFile(`${directory.path}/${ANNA}`, before);
        await put(store, ANNA, next);
        assert.equal(await store.load(ANNA), next);
        assert.deepEqual(await store.list(), [ANNA]);
      }),
      0.1,
    );
  });
});
