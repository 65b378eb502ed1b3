import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMask, secretParts, secretsOfUrl } from '../../src/domain/secrets.ts';

describe('the mask', () => {
  for (const [what, text] of [
    ['alone', 's/3'],
    ['within a word', 'xs/3x'],
    ['several times', 's/3 s/3s/3'],
    ['as a form writes it', 'token=s%2F3&x'],
    ['as a form with small digits writes it', 's%2f3'],
  ] as const) {
    it(`hides a short secret without a label: ${what}`, () => {
      const masked = createMask(['s/3'])(`before ${text} after`);
      assert.doesNotMatch(masked, /s(\/|%2f)3/i);
      assert.match(masked, /^before .*\*\*\*.* after$/);
    });
  }

  it('hides each of many secrets, and all of a longer one with the same start', () => {
    assert.equal(createMask(['ab', 'abcd', '', 'x.y'])('ab abcd x.y xzy'), '*** *** *** xzy');
  });

  it('does not use a secret as a pattern, and accepts half a character', () => {
    for (const secret of ['a.*b', '$&', '(', '[x', '\\', '\ud800', 'ü|x', 'a-b', '^'])
      assert.equal(createMask([secret])(`<${secret}>`), '<***>', secret);
  });

  it('changes nothing without secrets', () => assert.equal(createMask([''])('one two'), 'one two'));
});

const url = (rest: string) => new URL(`https://me.example.org${rest}`);

describe('the secret of a callback URL', () => {
  for (const rest of [
    '/withingsWebhook/9f2c41d0',
    '/weight/9f2c41d07ab3',
    '/hook?key=9f2c41d0',
    '/a8B3xQ9z',
    '/correct-horse-battery-staple',
    '/blue-horse-hut',
    '/kdhwyqpzmvbncrtxlsgj',
  ]) {
    it(`is any long part that is not a word: ${rest}`, () => {
      const all = secretsOfUrl(url(rest));
      assert.ok(all.includes(rest));
      assert.equal(secretParts(url(rest)).length, 1);
      assert.equal(createMask(all)(`see ${url(rest)}`), 'see https://me.example.org***');
    });
  }

  for (const rest of [
    '/',
    '/withingsWebhook',
    '/weight',
    '/weighbridge/login',
    '/my-weighbridge',
    '/WITHINGS/Hook',
    '/hook?on=yes',
  ]) {
    it(`does not include words, which stay readable: ${rest}`, () => {
      assert.deepEqual(secretParts(url(rest)), []);
      assert.deepEqual(secretsOfUrl(url(rest)), []);
    });
  }

  it('is hidden with its surroundings if it is short', () => {
    assert.deepEqual(secretsOfUrl(url('/withingsWebhook/9f2c41d')), ['/withingsWebhook/9f2c41d']);
    assert.deepEqual(secretParts(url('/withingsWebhook/9f2c41d')), []);
  });
});
