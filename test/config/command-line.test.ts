import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { commandLine } from '../../src/config/command-line.ts';
import { SettingError } from '../../src/config/readers.ts';
import { check } from '../support/property.ts';

const parse = commandLine;

describe('a command line', () => {
  for (const [line, words] of [
    ['./speak.sh', ['./speak.sh']],
    ['  ./speak.sh   de\tslow ', ['./speak.sh', 'de', 'slow']],
    [`./speak.sh 'my weights.csv' "it's" a\\ b`, ['./speak.sh', 'my weights.csv', "it's", 'a b']],
    [`sh -c 'cat >> "$HOME/log" | wc; ~ & $(x)'`, ['sh', '-c', 'cat >> "$HOME/log" | wc; ~ & $(x)']],
    [`x "a \\"b\\" \\\\ \\$HOME \\n" ''`, ['x', 'a "b" \\ $HOME \\n', '']],
    [`x a'b'"c"\\d e~ --f=~/g`, ['x', 'abcd', 'e~', '--f=~/g']],
    ['post.sh https://example.org/a?b=1 *', ['post.sh', 'https://example.org/a?b=1', '*']],
  ] as const) {
    test(`${line} is ${words.length} words`, () => assert.deepEqual(parse(line), words));
  }

  for (const [line, message] of [
    [`x 'a`, /an open quote/],
    ['x "a', /an open quote/],
    ['x a\\', /backslash/],
    [`''`, /expected a program/],
    ['x | y', /contains "\|", but weighbridge does not use a shell/],
    ['x > file', /contains ">"/],
    ['x; y', /contains ";"/],
    ['x $HOME', /contains "\$"/],
    ['x "$HOME"', /contains "\$"/],
    ['x `y`', /contains "`"/],
    ['~/x', /contains "~"/],
    ['sh -c ‘cat’', /contains the typographic quote ‘\. Use a straight quote/],
    ['x “my weights.csv”', /contains the typographic quote “/],
    ['x https://example.org/?a=1&b=2', /contains "&".* Quote "&" \('…'\)/],
  ] as const) {
    test(`${line} is rejected with a reason`, () =>
      assert.throws(
        () => parse(line),
        (error) => error instanceof SettingError && message.test(error.message),
      ));
  }

  test('is split as by a shell, if it is accepted', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'b', ' ', "'", '"', '\\', '-', '/'), maxLength: 12 });
    const accepted: { line: string; words: readonly string[] }[] = [];
    check(
      fc.property(line, (text) => {
        try {
          accepted.push({ line: text, words: parse(text) });
        } catch (error) {
          assert.ok(error instanceof SettingError);
        }
      }),
    );
    assert.ok(accepted.length > 30, `${accepted.length}`);
    const script = accepted.map((each) => `printf '%s\\0' ${each.line}\nprintf '\\n\\0'\n`).join('');
    const split = execFileSync('sh', { input: script, encoding: 'utf8' }).split('\n\0').slice(0, -1);
    assert.deepEqual(
      split.map((words) => words.split('\0').slice(0, -1)),
      accepted.map(({ words }) => [...words]),
    );
  });
});
