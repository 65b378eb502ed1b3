import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { codeIn, DOCUMENTS, readDocument, USER_DOCUMENTS } from './support/documents.ts';
import { type Habit, habitsIn, MOST_WORDS } from './support/habits.ts';
import { ROOT } from './support/packed.ts';

const withoutFences = (text: string) => text.replaceAll(/^( *)```.*?^\1```$/gms, '');

/** The anchors that GitHub gives to the headings of a document. */
function anchorsOf(text: string): readonly string[] {
  const headings = [...withoutFences(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return headings.map((heading) => heading.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

/** The relative links and pictures that lead nowhere, and the TypeScript files in backquotes that do not exist. */
function faultsIn(path: string, text: string): readonly string[] {
  const prose = withoutFences(text);
  const links = prose.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g);
  const names = [...prose.matchAll(/`([a-z0-9./-]+\/[a-z0-9.-]+\.ts)`/g)].map(([, name = '']) => name);
  const leadsNowhere = (link: string) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsOf(target === path ? text : readDocument(target)).includes(anchor);
  };
  const isMissing = (name: string) => ![dirname(path), ''].some((base) => existsSync(join(ROOT, base, name)));
  return [
    ...[...links].map(([, link, source]) => link ?? source ?? '').filter(leadsNowhere),
    ...names.filter(isMissing),
  ];
}

for (const path of DOCUMENTS) {
  test(`${path} links to existing files and headings`, () => assert.deepEqual(faultsIn(path, readDocument(path)), []));
}

test('the check finds an outdated link, picture or file name', () => {
  const text = [
    '# Here and there\n[a](#here-and-there) [b](#elsewhere) [c](../LICENSE) [d](README.md) [e](https://example.org/x)',
    '`src/main.ts` `main.ts` `domain/nowhere.ts` `src/NAME.ts`\n```\n# In a fence\n[f](nowhere)\n```\n[g](#in-a-fence)',
    '![h](none.png) <img src="no.png"> <source srcset="neither.png">',
  ].join('\n\n');
  const missing = ['#elsewhere', '#in-a-fence', 'none.png', 'no.png', 'neither.png', 'domain/nowhere.ts'];
  assert.deepEqual(faultsIn('src/README.md', text), missing);
  assert.deepEqual(faultsIn('deploy/x.md', '[a](README.md#caddy) [b](README.md#apache)'), ['README.md#apache']);
});

for (const [path, most] of Object.entries({ 'README.md': 230, 'src/README.md': 130 })) {
  test(`${path} has at most ${most} lines`, () => {
    const lines = readDocument(path).trimEnd().split('\n').length;
    assert.ok(lines <= most, `${lines} lines`);
  });
}

test('every document for users is linked from the README', () => {
  const linked = [...readDocument('README.md').matchAll(/\]\((docs\/[a-z-]+\.md)/g)].map(([, name]) => name);
  const all = DOCUMENTS.filter((path) => /^docs\/[^/]+$/.test(path));
  assert.deepEqual([...new Set(linked)].toSorted(), all.toSorted());
});

test('the map names every folder of src with a file, and no other', () => {
  const [, tree = ''] = /## Folders\n\n```\n(.*?)```/s.exec(readDocument('src/README.md')) ?? [];
  const named = [...tree.matchAll(/^([a-z/-]+)\/ /gm)].map(([, name = '']) => `src/${name}`);
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true }).filter((each) =>
    each.isFile(),
  );
  const folders = new Set(files.map(({ parentPath }) => relative(ROOT, parentPath)).filter((path) => path !== 'src'));
  const unnamed = [...folders].filter((path) => !named.includes(path));
  const gone = named.filter((path) => !existsSync(join(ROOT, path)));
  assert.deepEqual({ unnamed, gone }, { unnamed: [], gone: [] });
});

test('the index of the decisions lists each of them once', () => {
  const index = readDocument('docs/decisions/README.md');
  const linked = [...index.matchAll(/^- .*\]\((.*?)\)/gm)].map(([, name = '']) => name);
  const decisions = readdirSync(join(ROOT, 'docs/decisions')).filter((name) => name !== 'README.md');
  assert.deepEqual(linked.toSorted(), decisions.toSorted());
});

describe('the messages in the troubleshooting page', () => {
  /** Messages of other programs. */
  const OTHERS: Readonly<Record<string, readonly string[]>> = {
    Withings: ['293', '601', '2553', '2555', 'invalid refresh_token', 'Too Many Requests'],
    'the system': ['wbsapi.withings.net', 'EMFILE', 'ENFILE', 'libatomic.so.1: cannot open shared object file'],
  };
  const lines = readDocument('docs/troubleshooting.md').split('\n');
  const quotedIn = (line: string) => (/^### |^Also: /.test(line) ? codeIn(line) : []);
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.c?[jt]s$/.test(name))
    .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'));

  const pill = [...readDocument('docs/status-page.md').matchAll(/^\| (`.*) \|/gm)].flatMap(([, cell = '']) =>
    codeIn(cell),
  );
  test('and on the pill of the status page are those of the page', () => {
    assert.ok(pill.length >= 7);
    const source = readFileSync(join(ROOT, 'src/page/status-page.ts'), 'utf8');
    const missing = pill.flatMap((text) => text.split(/, 1 note| 6 h/)).filter((text) => !source.includes(text));
    assert.deepEqual(missing, []);
  });

  for (const message of new Set(lines.flatMap(quotedIn))) {
    test(`come from the program or from others: ${message}`, () =>
      assert.ok(Object.values(OTHERS).flat().includes(message) || sources.some((text) => text.includes(message))));
  }

  test('are collected from headings and from the text below them', () =>
    assert.deepEqual(['### `one` (`two`)', 'Also: `three`.', 'Run `four`.'].flatMap(quotedIn), [
      'one',
      'two',
      'three',
    ]));
});

describe('a decision', () => {
  const PARTS = ['Context', 'Decision', 'Consequences', 'Rejected'];

  /** Returns the missing parts of a record. */
  function faultsOf(text: string): readonly string[] {
    const [, title = '', date] = /^# (.*)\n\n(?:Date: (2\d{3}-\d\d-\d\d)\n)?/.exec(text) ?? [];
    const parts = [...text.matchAll(/^## (.*)\n\n\S/gm)].map(([, part = '']) => part);
    const years = text.match(/\b\d+(\.\d+)? (ms|MB)\b/) !== null && text.match(/2\d{3}-\d\d-\d\d/g)?.length === 1;
    return [
      ...(/\b(is|are|has|have|does|what|how|why|that)\b|[.?!]$/i.test(title) ? [`"${title}" is not a noun`] : []),
      ...(date === undefined ? ['no date below the title'] : []),
      ...(parts.join() === PARTS.join() ? [] : [`has the parts ${parts.join(', ')}`]),
      ...(years ? ['a measurement without a date'] : []),
    ];
  }

  for (const path of DOCUMENTS.filter((each) => /^docs\/decisions\/(?!README)/.test(each))) {
    test(`has a noun as its title, a date and four parts: ${path}`, () =>
      assert.deepEqual(faultsOf(readDocument(path)), []));
  }

  test('without this form is reported', () => {
    const whole =
      '# The lock\n\nDate: 2026-01-31\n\n## Context\n\na\n\n## Decision\n\nb\n\n## Consequences\n\nc\n\n## Rejected\n\nd\n';
    assert.deepEqual(faultsOf(whole), []);
    assert.deepEqual(faultsOf(whole.replace('\n## Rejected\n\nd\n', '')), [
      'has the parts Context, Decision, Consequences',
    ]);
    assert.deepEqual(faultsOf(whole.replace('Rejected\n\nd', 'Rejected\n')), [
      'has the parts Context, Decision, Consequences',
    ]);
    assert.deepEqual(faultsOf(whole.replace('The lock', 'Why a lock')), ['"Why a lock" is not a noun']);
    assert.deepEqual(faultsOf(whole.replace('Date: 2026-01-31\n', '')), ['no date below the title']);
    assert.deepEqual(faultsOf(`${whole}It took 3.5 ms.\n`), ['a measurement without a date']);
  });
});

describe('the prose of a document', () => {
  /** Only documents are judged by these. */
  const IN_DOCUMENTS: readonly Habit[] = [
    [/\bNot taken\b/, 'Rejected'],
    [/\btak(e[sn]?|ing) (\w+ ){0,2}back\b/i, 'withdraw'],
    [/\bclient ID\b/, 'client id'],
    [/\bplayed\b/i, 'simulated'],
    [/\bprotection against robots\b/i, 'bot protection'],
    [/\bwithout rights\b/i, 'without privileges'],
  ];

  /** The rules of prose quote bad examples. */
  const RULES = /^## Prose$.*?(?=^## )/ms;

  /** Returns paragraphs, items, cells and headings, with one word in place of code. */
  function piecesOf(text: string): readonly string[] {
    const plain = withoutFences(text)
      .replaceAll(/<!--.*?-->|<\/?[a-z][^>]*>/gs, '')
      .replaceAll(/``? .*? ``?|`[^`\n]+`/g, 'CODE')
      .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1');
    const blocks = plain.split(/\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=\s*[|#])|(?<=^\s*#.*)\n/m);
    return blocks.flatMap((block) =>
      /^\s*\|/.test(block) ? block.split('|') : [block.replaceAll(/\s+/g, ' ').trim()],
    );
  }

  function objectionsTo(piece: string): readonly string[] {
    const sentences = piece.split(/[.!?:]["”*)]*(?=\s|$)/);
    const wordsOf = (sentence: string) => sentence.split(/\s+/).filter((word) => /[\p{L}\d]/u.test(word));
    return [
      ...habitsIn(piece, IN_DOCUMENTS),
      ...(/[^"]\?(\s|$)/.test(piece) && !/^\s*#|^\s*- (\*\*How do I|Why not Home)/.test(piece)
        ? ['a question as a hint']
        : []),
      ...sentences.filter((each) => wordsOf(each).length > MOST_WORDS).map((each) => `${wordsOf(each).length} words`),
      ...sentences.filter((each) => each.split(';').length > 2).map(() => 'more than one semicolon'),
    ];
  }

  /** The comments of a file, as paragraphs. */
  function commentsOf(text: string): readonly string[] {
    const lines = text.split('\n').map((line) => /^\s*(?:#|\/\/)(?!!) ?(.*)/.exec(line)?.[1] ?? '');
    // A setting, a command or an example is not prose.
    return piecesOf(lines.map((line) => (/^\S+ ?=|^ |^---/.test(line) ? '' : line)).join('\n'));
  }

  /** Users read the comments in these files. */
  const COMMENTED = [
    '.env.example',
    ...readdirSync(join(ROOT, 'deploy'), { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile() && !/\.(md|png|svg)$/.test(each.name) && each.name !== 'weighbridge.service')
      .map(({ parentPath, name }) => relative(ROOT, join(parentPath, name))),
  ];

  const findingsIn = (pieces: readonly string[]) =>
    pieces.flatMap((piece) => objectionsTo(piece).map((objection) => `${objection}: ${piece.trim()}`));

  for (const path of DOCUMENTS) {
    test(`has none of the worst habits: ${path}`, () => {
      const text = readDocument(path);
      assert.deepEqual(findingsIn(piecesOf(path === 'CONTRIBUTING.md' ? text.replace(RULES, '') : text)), []);
    });
  }

  for (const path of [...USER_DOCUMENTS, 'SECURITY.md', 'CHANGELOG.md', 'deploy/home-assistant-app/DOCS.md']) {
    test(`calls the program by its name: ${path}`, () =>
      assert.deepEqual(
        piecesOf(readDocument(path)).filter((piece) => /\bdaemon\b/i.test(piece)),
        [],
      ));
  }

  for (const path of COMMENTED) {
    test(`has none of the worst habits in the comments of ${path}`, () =>
      assert.deepEqual(findingsIn(commentsOf(readDocument(path))), []));
  }

  test('is read in pieces without code', () => {
    const long = 'word '.repeat(MOST_WORDS + 1).trim();
    const text = `# Title\nOne\ntwo \`a; b; c?\`.\n- item\n- item\n\n| a | b; c; d |\n\n\`\`\`sh\nnobody\n\`\`\`\n`;
    assert.deepEqual(findingsIn(piecesOf(text)), ['more than one semicolon: b; c; d']);
    assert.deepEqual(findingsIn(piecesOf(`${long}.`)), [`26 words: ${long}.`]);
    assert.deepEqual(findingsIn(piecesOf(`${long.replace(' ', '. ')}.`)), []);
    assert.deepEqual(findingsIn(piecesOf('Is there a network? Try again.')).length, 1);
    assert.deepEqual(findingsIn(piecesOf('Nobody passes it on.\n\n## Why not?')).length, 2);
    assert.deepEqual(commentsOf('#!/bin/sh\n# One\n# two.\nx=1 # no\n\n  // Three.\n# A=b'), ['One two.', 'Three.']);
  });
});

test('the changelog has the newest version first, and the groups of Keep a Changelog', () => {
  const text = readDocument('CHANGELOG.md');
  const { version } = JSON.parse(readDocument('package.json'));
  const versions = [...text.matchAll(/^## (.*)$/gm)].map(([, heading = '']) => heading);
  assert.ok(versions[0]?.startsWith(`[${version}] - `) || versions[0] === '[Unreleased]', versions[0]);
  for (const heading of versions)
    assert.match(heading, /^\[(Unreleased|\d+\.\d+\.\d+)\]( - (2\d{3}-\d\d-\d\d|not released))?$/);
  const groups = [...text.matchAll(/^### (.*)$/gm)].map(([, heading = '']) => heading);
  const known = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'];
  assert.deepEqual(
    groups.filter((each) => !known.includes(each)),
    [],
  );
});

test('SECURITY.md names the supported versions, and the versions of Node that are tested', () => {
  const text = readDocument('SECURITY.md');
  assert.match(text, /^## Supported versions$/m);
  const [, first, second, third, last] = /^The tests run on Node (\d+), (\d+), (\d+) and (\d+)\./m.exec(text) ?? [];
  const [, ...versions] = /versions=\(([\d. ]+)\)/.exec(readDocument('.ci/matrix'))?.[1]?.split(' ') ?? [];
  assert.deepEqual([first, second, third, last], versions);
});
