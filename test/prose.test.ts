import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Habit, habitsIn, MOST_WORDS } from './support/habits.ts';
import { collectHints, collectTexts, hintsIn, isToDo, textsIn } from './support/texts.ts';

/** Only texts of the program are judged by these. */
const IN_TEXTS: readonly Habit[] = [
  [/\bdefect of weighbridge\b/i, 'bug'],
  [/\bno number\b/i, 'a domain name'],
  [/\b(says|knows) (it|that|whether|which|why)\b/i, 'reports'],
  [/\bhas (expired|been|asked|failed)\b/i, 'the past tense'],
  [/\bnpm start\b/, '"weighbridge serve", or the service'],
  [/\bno more\b|\banew\b|\bwhat is weighed\b/i, 'no longer, again, weigh-ins'],
];

/** Questions of setup and of the consent page, which a person answers, and the one suggestion. */
const QUESTIONS =
  /^(What is the name of|Fetch the weigh-ins|Run weighbridge at boot|Which way is it|Which address|The callback URL does not work yet|… linked\.|Whose measurements|Did you mean)/;

/** Lists of facts and code, which are not sentences: error numbers, policies, templates of Home Assistant, paths. */
const LISTS = /^\n? ?201-213|^default-src|^\{\{|^M[0-9]/;

/** The worst habits in a text. */
function objections(text: string): readonly string[] {
  const semicolons = text.split(';').length - 1;
  const sentences = text
    .split(/[.!?:](?=\s|$)|\n/)
    .map((each) => each.split(/\s+/).filter((word) => /\p{L}/u.test(word)));
  return [
    ...habitsIn(text, IN_TEXTS),
    ...(semicolons > 1 ? [`${semicolons} semicolons`] : []),
    ...(/\?$|\? /.test(text) && !QUESTIONS.test(text) ? ['a question as a hint'] : []),
    ...sentences.filter(({ length }) => length > MOST_WORDS).map(({ length }) => `${length} words in a sentence`),
  ];
}

describe('the texts of the program', () => {
  it('are found in strings and templates, and in what HTML shows', () => {
    const template = ['see ', ' and ', ' there'].join(`$\{a}`);
    assert.deepEqual(textsIn(`const a = "one two three"; f(\`${template}\`, "x-y", /not a text at all/)`), [
      'one two three',
      'see … and … there',
    ]);
    const html = '<p class="soft">Run <code>a b</code> now.</p>\n<ul aria-label="The list">one two</ul>';
    assert.deepEqual(textsIn(`f(${JSON.stringify(html)}, "a {\\n color: red; top: 1; }")`), [
      'The list',
      'Run a b now.',
      'one two',
    ]);
  });

  it('that advise the reader are found in every trouble and finding', () => {
    const code = `new Trouble('a b', { hint: 'One.' }); const remedy = x ? 'Two.' : 'Three.'; broken('a', 'b', 'Four.')`;
    assert.deepEqual(hintsIn(code).toSorted(), ['Four.', 'One.', 'Three.', 'Two.']);
  });

  it('are judged by the rules of prose', () => {
    assert.deepEqual(objections('Check the network connection. Retrying.'), []);
    assert.equal(objections('is there a network? trying again').length, 1);
    assert.equal(objections('somebody must mend it; for ever; by itself').length, 5);
    assert.deepEqual(objections('word '.repeat(MOST_WORDS + 1)), ['26 words in a sentence']);
  });

  it('have none of the worst habits', async () => {
    const texts = await collectTexts(() => true);
    const folders = new Set(texts.map(({ file }) => file.split('/').slice(0, -1).join('/')));
    for (const folder of ['app/collect', 'app/link', 'app/status', 'cli', 'cli/login', 'config', 'daemon', 'doctor'])
      assert.ok(folders.has(folder), folder);
    for (const folder of ['domain', 'http', 'http/private', 'http/public', 'page', 'page/chart', 'page/static'])
      assert.ok(folders.has(folder), folder);
    for (const folder of ['publishers/hook', 'publishers/mqtt', 'storage', 'storage/journal', 'systemd', 'withings'])
      assert.ok(folders.has(folder), folder);
    const found = texts
      .filter(({ text }) => !LISTS.test(text))
      .flatMap(({ file, text }) => objections(text).map((objection) => `${file}: ${text}: ${objection}`));
    assert.deepEqual(found, []);
  });

  it('that advise the reader are sentences or commands', async () => {
    const hints = await collectHints();
    assert.ok(hints.length > 100, `${hints.length} hints`);
    assert.deepEqual(
      hints.filter(({ text }) => !isToDo(text)),
      [],
    );
  });
});
