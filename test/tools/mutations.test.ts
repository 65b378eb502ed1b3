import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mutationsOf } from '../../tools/mutations.ts';

test('each change leaves a valid program, and changes one thing', () => {
  const source = "if (a < 1 && !b) send({ x: 2, y }, ['k', 'l']);\nexport const limit = c ?? (d ? 3 : true);\n";
  const changed = mutationsOf(source).map(({ start, end, text }) => source.slice(0, start) + text + source.slice(end));
  const lines = changed.map((text) => text.split('\n').slice(0, 2));
  assert.deepEqual(
    lines.map(([first]) => first).filter((line) => line !== source.split('\n')[0]),
    [
      "if (a < (10 * 1) && !b) send({ x: 2, y }, ['k', 'l']);",
      "if (a >= 1 && !b) send({ x: 2, y }, ['k', 'l']);",
      "if (a < 1 && b) send({ x: 2, y }, ['k', 'l']);",
      "if (a < 1 || !b) send({ x: 2, y }, ['k', 'l']);",
      "if (a < 1 && !b) send({ x: (10 * 2), y }, ['k', 'l']);",
      "if (a < 1 && !b) send({ y }, ['k', 'l']);",
      "if (a < 1 && !b) send({ x: 2 }, ['k', 'l']);",
      "if (a < 1 && !b) send({ x: 2, y }, ['l']);",
      "if (a < 1 && !b) send({ x: 2, y }, ['k']);",
      'if (a < 1 && !b) ;',
      "if (false) send({ x: 2, y }, ['k', 'l']);",
    ],
  );
  assert.deepEqual(
    lines.map(([, second]) => second).filter((line) => line !== source.split('\n')[1]),
    [
      'export const limit = c ?? (d ? (10 * 3) : true);',
      'export const limit = c ?? (d ? 3 : false);',
      'export const limit = c ?? (true);',
      'export const limit = c ?? (true ? 3 : true);',
      'export const limit = c && (d ? 3 : true);',
    ],
  );
});

test('the code that the compiler adds for `using` is not changed', () => {
  const source = `var __disposeResources = (this && this.__disposeResources) || (function (env) { if (env.hasError) throw env.error; });
const env_1 = { stack: [], error: void 0, hasError: false };
env_1.hasError = true;
end();
`;
  assert.deepEqual(
    mutationsOf(source).map(({ start, end }) => source.slice(start, end)),
    ['end();'],
  );
});
