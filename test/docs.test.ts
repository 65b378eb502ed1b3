import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { codeIn, DOCUMENTS, readDocument } from './support/documents.ts';
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
  test(`${path} leads to files and headings that exist`, () =>
    assert.deepEqual(faultsIn(path, readDocument(path)), []));
}

test('a link, a picture or a file name that is out of date is found', () => {
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

test('the map names every folder of src that holds a file, and none that does not exist', () => {
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

test('the index of the decisions names each of them once', () => {
  const index = readDocument('docs/decisions/README.md');
  const linked = [...index.matchAll(/^- .*\]\((.*?)\)/gm)].map(([, name = '']) => name);
  const decisions = readdirSync(join(ROOT, 'docs/decisions')).filter((name) => name !== 'README.md');
  assert.deepEqual(linked.toSorted(), decisions.toSorted());
});

describe('the messages in the troubleshooting page', () => {
  /** Messages of others. */
  const OTHERS: Readonly<Record<string, readonly string[]>> = {
    Withings: ['293', '601', '2553', '2555', 'invalid refresh_token', 'Too Many Requests'],
    'the system': ['wbsapi.withings.net', 'EMFILE', 'ENFILE', 'libatomic.so.1: cannot open shared object file'],
  };
  const lines = readDocument('docs/troubleshooting.md').split('\n');
  const quotedIn = (line: string) => (/^### |^Also: /.test(line) ? codeIn(line) : []);
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.c?[jt]s$/.test(name))
    .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'));

  for (const message of new Set(lines.flatMap(quotedIn))) {
    test(`are those of the program, or of others: ${message}`, () =>
      assert.ok(Object.values(OTHERS).flat().includes(message) || sources.some((text) => text.includes(message))));
  }

  test('are found in headings, and below them', () =>
    assert.deepEqual(['### `one` (`two`)', 'Also: `three`.', 'Run `four`.'].flatMap(quotedIn), [
      'one',
      'two',
      'three',
    ]));
});
