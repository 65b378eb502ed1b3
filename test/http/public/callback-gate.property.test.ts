import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createCallbackGate } from '../../../src/http/public/callback-gate.ts';
import { check } from '../../support/property.ts';

/** A URL cannot contain halves of surrogate pairs. */
const word = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('k', 'K', '', '__proto__', 'constructor', '["a"]', 'a,b'),
);
const pairs = fc.array(fc.tuple(word, word), { maxLength: 5 });
const query = pairs.map((all) => new URLSearchParams(all));

describe('the gate', () => {
  test('opens only its own path', () => {
    check(
      fc.property(word, word, (path, other) => {
        const gate = createCallbackGate(path, new URLSearchParams());
        assert.ok(gate.isPath(path));
        assert.equal(gate.isPath(other), other === path);
      }),
    );
  });

  test('accepts a request with its parameters, in any order and with any others', () => {
    const order = query.chain((own) =>
      fc.tuple(
        fc.constant(own),
        fc.shuffledSubarray([...new Set(own.keys())], { minLength: new Set(own.keys()).size }),
      ),
    );
    check(
      fc.property(order, pairs, ([own, names], more) => {
        const foreign = more.filter(([name]) => !own.has(name));
        const given = [
          ...foreign,
          ...names.flatMap((name) => own.getAll(name).map((value): [string, string] => [name, value])),
        ];
        assert.equal(createCallbackGate('/', own).check(new URLSearchParams(given)), 'right');
      }),
    );
  });

  test('reports for any parameters whether one is wrong, else whether one is missing', () => {
    check(
      fc.property(query, query, pairs, (own, other, more) => {
        for (const given of [other, new URLSearchParams([...own, ...more]), new URLSearchParams([...own].slice(1))]) {
          const names = [...new Set(own.keys())];
          const isWrong = (name: string) => given.has(name) && !isEqual(given.getAll(name), own.getAll(name));
          const expected = names.some(isWrong) ? 'wrong' : names.every((name) => given.has(name)) ? 'right' : 'missing';
          assert.equal(createCallbackGate('/', own).check(given), expected);
        }
      }),
    );
  });

  test('does not accept one value with a comma, or of JSON, as several', () => {
    check(
      fc.property(fc.array(word, { minLength: 2, maxLength: 4 }), (values) => {
        const gate = createCallbackGate(
          '/',
          new URLSearchParams(values.map((value): [string, string] => ['k', value])),
        );
        for (const joined of [values.join(','), JSON.stringify(values), values.join('')]) {
          assert.equal(gate.check(new URLSearchParams([['k', joined]])), 'wrong');
        }
      }),
    );
  });
});

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
