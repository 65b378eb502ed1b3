import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { collectTexts, textsIn } from './support/texts.ts';

/** Drawn pages have tests of their own, and the sandbox speaks to developers in the words of Withings. */
const ELSEWHERE =
  /^(page|html|sandbox)\/|^http\/public\/link-page|^app\/link\/link-failures|^publishers\/mqtt\/home-assistant|^systemd\/unit/;

/** Words that make a reader stop, and the common ones. */
const INSTEAD: readonly (readonly [habit: RegExp, instead: string])[] = [
  [/\b(somebody|nobody|whoever|everybody)\b/i, 'a named person, or the passive'],
  [/\bmend/i, 'fix'],
  [/\bletter by letter\b/i, 'exactly'],
  [/\bby itself\b|\bby themselves\b/i, 'automatically'],
  [/\bis no (?!longer\b)/i, 'is not a'],
  [/\bis tried again\b/i, 'retries'],
  [/\bnothing listens\b/i, 'connection refused'],
  [/\bhas signed itself\b|\bsigned by itself\b/i, 'self-signed'],
  [/\bfor ever\b/i, 'always'],
  [/\bhad enough calls\b/i, 'rate limit'],
  [/\bruns since\b/i, 'running since'],
  [/\blets? us in\b|\bhangs up\b|\bhas gone away\b/i, 'reject, close'],
  [/\bprivate port\b/i, 'status port'],
  [/\bneeds login\b/i, 'must link again'],
  [/\bdefect of weighbridge\b/i, 'bug'],
];

const MOST_WORDS = 25;

/** Questions of setup, which a person answers, and the one suggestion. */
const QUESTIONS =
  /^(What is the name of|Fetch the weigh-ins|Run weighbridge at boot|Which way is it|Which address|The callback URL does not work yet|… linked\.|Did you mean)/;

/** Lists of facts, which are not sentences. */
const LISTS = /^\n? ?201-213|^default-src/;

/** The worst habits in a text. */
function objections(text: string): readonly string[] {
  const habits = INSTEAD.flatMap(([habit, instead]) => (habit.test(text) ? [`${habit} is ${instead}`] : []));
  const semicolons = text.split(';').length - 1;
  const sentences = text
    .split(/[.!?:](?=\s|$)|\n/)
    .map((each) => each.split(/\s+/).filter((word) => /\p{L}/u.test(word)));
  return [
    ...habits,
    ...(semicolons > 1 ? [`${semicolons} semicolons`] : []),
    ...(/\?$|\? /.test(text) && !QUESTIONS.test(text) ? ['a question as a hint'] : []),
    ...sentences.filter(({ length }) => length > MOST_WORDS).map(({ length }) => `${length} words in a sentence`),
  ];
}

describe('the texts of the program', () => {
  it('are found in strings and templates', () => {
    const template = ['see ', ' and ', ' there'].join(`$\{a}`);
    assert.deepEqual(textsIn(`const a = "one two three"; f(\`${template}\`, "x-y", /not a text at all/)`), [
      'one two three',
      'see … and … there',
    ]);
  });

  it('are judged by the rules of prose', () => {
    assert.deepEqual(objections('Check the network connection. Retrying.'), []);
    assert.equal(objections('is there a network? trying again').length, 1);
    assert.equal(objections('somebody must mend it; for ever; by itself').length, 5);
    assert.deepEqual(objections('word '.repeat(MOST_WORDS + 1)), ['26 words in a sentence']);
  });

  it('have none of the worst habits', async () => {
    const texts = await collectTexts((file) => !ELSEWHERE.test(file));
    assert.ok(texts.length > 300, `${texts.length} texts`);
    const found = texts
      .filter(({ text }) => !LISTS.test(text))
      .flatMap(({ file, text }) => objections(text).map((objection) => `${file}: ${text}: ${objection}`));
    assert.deepEqual(found, []);
  });
});
