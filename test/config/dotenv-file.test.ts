import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'dotenv';
import fc from 'fast-check';
import { editDotenv } from '../../src/config/dotenv-file.ts';
import { SettingError } from '../../src/config/readers.ts';
import { check } from '../support/property.ts';

describe('an edit of .env', () => {
  for (const [what, before, after] of [
    ['of an empty file', '', 'A=1\n'],
    ['after a last line without an end', '# mine', '# mine\nA=1\n'],
    ['of a line in the middle', 'X=0\nA=old # why\n\n# end\n', 'X=0\nA=1\n\n# end\n'],
    ['of the assignment that counts', 'A=0\nA=0\nB=2\n', 'A=0\nA=1\nB=2\n'],
    ['not of a comment or a longer name', '# A=0\nAA=0\n', '# A=0\nAA=0\nA=1\n'],
    ['of a value of several lines', 'A="x\ny"\nB=2\n', 'A="x\ny"\nB=2\nA=1\n'],
    ['not inside of another value', 'B="x\nA=0\n"\n', 'B="x\nA=0\n"\nA=1\n'],
  ] as const) {
    test(`sets a value in place ${what}`, () => assert.equal(editDotenv(before, { A: '1' }), after));
  }

  test('comments out every line of a setting that is no longer set', () => {
    const after = editDotenv('# mine\nA=1 # old\nB=2\nexport A=3\n', { A: undefined, B: '4' });
    assert.equal(after, '# mine\n# A=1 # old\nB=4\n# export A=3\n');
    assert.equal(editDotenv('B=2', { A: undefined }), 'B=2');
    assert.throws(() => editDotenv('A="x\ny"\n', { A: undefined }), /cannot remove A from \.env/);
  });

  test('is read back by dotenv for any value, and leaves all other settings unchanged', () => {
    const value = fc.string({ unit: fc.constantFrom(...`a1 #'"\`$\\=!,:é`), maxLength: 8 }).map((text) => text.trim());
    const lines = fc.array(fc.constantFrom('A=0', "A='x", 'B="q', '"', '# c', '', 'B=2 # d', 'export A=3', "'"));
    let refused = 0;
    let edited = 0;
    check(
      fc.property(lines, value, (before, wanted) => {
        const text = before.join('\n');
        try {
          const after = editDotenv(text, { A: wanted });
          assert.deepEqual(parse(after), { ...parse(text), A: wanted });
          edited += 1;
        } catch (error) {
          assert.ok(error instanceof SettingError, `${error}`);
          refused += 1;
        }
      }),
    );
    assert.ok(edited > 3 * refused, `${edited} edited, ${refused} refused`);
  });

  test('rejects a value that cannot be quoted, by its name', () => {
    assert.throws(() => editDotenv('', { A: `'"\`#` }), /cannot write A to \.env/);
  });
});
