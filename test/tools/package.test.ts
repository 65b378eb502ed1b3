import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { build } from 'esbuild';
import { shippedDocument, shippedManifest } from '../../tools/package.ts';
import { ROOT } from '../support/packed.ts';

const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

describe('package.json', () => {
  it('depends on exactly the packages that the program imports at run time', async () => {
    assert.deepEqual(Object.keys(manifest.dependencies).sort(), await importedPackages());
  });

  it('names the repository in the README', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    assert.ok(readme.includes(`git clone ${manifest.repository}.git`), manifest.repository);
  });

  it('has a lock file that npm 9, 10 and 11 leave unchanged', async () => {
    // npm 9 and 10 remove the field, which makes the tree dirty.
    assert.doesNotMatch(await readFile(join(ROOT, 'package-lock.json'), 'utf8'), /"libc"/);
  });

  it('starts with a file that old Nodes can read, and rejects old Nodes for contributors', async () => {
    assert.equal(manifest.bin.weighbridge, 'dist/bundle/weighbridge.cjs');
    assert.match(await readFile(join(ROOT, '.npmrc'), 'utf8'), /^engine-strict=true$/m);
  });

  it('is not the shipped one: npm pack and npm publish reject it', () => {
    const pack = spawnSync('npm', ['pack', '--dry-run'], { cwd: ROOT, encoding: 'utf8' });
    assert.notEqual(pack.status, 0);
    assert.match(pack.stderr, /use npm run pack/);
    assert.equal(manifest.private, true);
  });
});

describe('the bundle', () => {
  it('loads axios without undici', async () => {
    const chunks = (await readdir(join(ROOT, 'dist/bundle'))).filter((file) => /^axios-.*\.js$/.test(file));
    assert.equal(chunks.length, 1);
    const script = `await import('./dist/bundle/${chunks[0]}'); console.log(process.moduleLoadList.join())`;
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.match(child.stdout, /NativeModule https/);
    assert.doesNotMatch(child.stdout, /undici/);
  });
});

describe('the package.json of the tarball', () => {
  const shipped = shippedManifest({
    name: 'weighbridge',
    version: '1.2.0',
    private: true,
    repository: 'https://example.org/anna/weighbridge',
    files: ['dist/bundle'],
    scripts: { test: 'node --test' },
    dependencies: { express: '^5.3.0' },
    devDependencies: { esbuild: '0.28.2' },
  });

  it('has no scripts and no packages', () => {
    assert.deepEqual(Object.keys(shipped), ['name', 'version', 'repository', 'homepage', 'bugs']);
  });

  it('points every link to the repository', () => {
    assert.deepEqual(shipped['repository'], { type: 'git', url: 'git+https://example.org/anna/weighbridge.git' });
    assert.equal(shipped['homepage'], 'https://example.org/anna/weighbridge#readme');
    assert.equal(shipped['bugs'], 'https://example.org/anna/weighbridge/issues');
  });
});

describe('a document of the tarball', () => {
  const isShipped = (path: string) => ['LICENSE', 'docs/mqtt.md'].includes(path);
  const ship = (path: string, text: string) =>
    shippedDocument(text, { path, repository: 'https://example.org/anna/weighbridge', isShipped });

  it('links to the repository for what the tarball does not contain', () => {
    assert.equal(
      ship('README.md', '[a](src/README.md#map), [b](docs/decisions/README.md)'),
      '[a](https://example.org/anna/weighbridge/blob/main/src/README.md#map), ' +
        '[b](https://example.org/anna/weighbridge/blob/main/docs/decisions/README.md)',
    );
    assert.equal(
      ship('docs/mqtt.md', '[a](../bench/README.md)'),
      '[a](https://example.org/anna/weighbridge/blob/main/bench/README.md)',
    );
    assert.equal(
      ship('README.md', '<img alt="" src="docs/images/page.png">'),
      '<img alt="" src="https://example.org/anna/weighbridge/raw/main/docs/images/page.png">',
    );
  });

  it('keeps all other links', () => {
    const text = '[a](#map) [b](docs/mqtt.md#events) [c](https://example.org/x.md) [d](LICENSE) (src/main.ts)';
    assert.equal(ship('README.md', text), text);
    assert.equal(ship('docs/faq.md', '[a](mqtt.md) [b](../LICENSE)'), '[a](mqtt.md) [b](../LICENSE)');
  });
});

/** The compiled program has the imports that are left at run time: the compiler removes those of types. */
async function importedPackages(): Promise<readonly string[]> {
  const files = (await readdir(join(ROOT, 'dist/src'), { recursive: true })).filter((file) => file.endsWith('.js'));
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: files.map((file) => `dist/src/${file}`),
    outdir: 'dist/unused',
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    write: false,
    metafile: true,
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  const packages = imports.filter(({ external, path }) => external === true && !path.startsWith('node:'));
  return [...new Set(packages.map(({ path }) => /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path))].sort();
}
