import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The tests run from dist/test. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DECISIONS = readdirSync(join(ROOT, 'docs/decisions')).filter((name) => name !== 'README.md');
const DOCUMENTS = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'src/README.md', 'deploy/README.md'],
  ...['bench/README.md', ...readdirSync(join(ROOT, 'docs'), { recursive: true }).map((name) => `docs/${name}`)],
].filter((path) => path.endsWith('.md'));

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const withoutFences = (text: string) => text.replaceAll(/^( *)```.*?^\1```$/gms, '');

/** The anchors that GitHub gives to the headings of a document. */
function anchorsOf(text: string): readonly string[] {
  const headings = [...withoutFences(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return headings.map((heading) => heading.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

/** The relative links that lead nowhere, and the TypeScript files in backquotes that do not exist. */
function faultsIn(path: string, text: string): readonly string[] {
  const prose = withoutFences(text);
  const links = [...prose.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  const names = [...prose.matchAll(/`([a-z0-9./-]+\/[a-z0-9.-]+\.ts)`/g)].map(([, name = '']) => name);
  const leadsNowhere = (link: string) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsOf(target === path ? text : read(target)).includes(anchor);
  };
  const isMissing = (name: string) => ![dirname(path), ''].some((base) => existsSync(join(ROOT, base, name)));
  return [...links.filter(leadsNowhere), ...names.filter(isMissing)];
}

for (const path of DOCUMENTS) {
  test(`${path} leads to files and headings that exist`, () => assert.deepEqual(faultsIn(path, read(path)), []));
}

test('a link or a file name that is out of date is found', () => {
  const text = [
    '# Here and there\n[a](#here-and-there) [b](#elsewhere) [c](../LICENSE) [d](README.md) [e](https://example.org/x)',
    '`src/main.ts` `main.ts` `domain/nowhere.ts` `src/NAME.ts`\n```\n# In a fence\n[f](nowhere)\n```\n[g](#in-a-fence)',
  ].join('\n\n');
  const missing = ['#elsewhere', '#in-a-fence', 'domain/nowhere.ts'];
  assert.deepEqual(faultsIn('src/README.md', text), missing);
  assert.deepEqual(faultsIn('deploy/x.md', '[a](README.md#caddy) [b](README.md#apache)'), ['README.md#apache']);
});

test('the map names every folder of src that holds a file, and none that does not exist', () => {
  const [, tree = ''] = /## Folders\n\n```\n(.*?)```/s.exec(read('src/README.md')) ?? [];
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
  const linked = [...read('docs/decisions/README.md').matchAll(/^- .*\]\((.*?)\)/gm)].map(([, name = '']) => name);
  assert.deepEqual(linked.toSorted(), DECISIONS.toSorted());
});
