import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { listenTo, startAedes } from '../support/broker.ts';
import { startHome } from '../support/home.ts';
import { until } from '../support/outbox-bench.ts';
import { bundledPackages, installGlobally, measureInstalled, pack, packElsewhere, ROOT } from '../support/packed.ts';
import { runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const MOST_MEGABYTES = 3.2;
const INSTALLED = 'lib/node_modules/weighbridge';

/** The tests install the tarball alone, and start it from another folder through the link that npm makes. */
describe('the package', () => {
  let place: Awaited<ReturnType<typeof temporaryDirectory>>;
  let tarball: string;
  let program: string;

  before(async () => {
    place = await temporaryDirectory();
    tarball = await pack(ROOT, place.path);
    ({ program } = await installGlobally(tarball, join(place.path, 'prefix')));
  });
  after(() => place[Symbol.asyncDispose]());

  const runInstalled = async (...args: readonly string[]) => {
    await using elsewhere = await temporaryDirectory();
    return await runProgram(args, { cwd: elsewhere.path, script: program });
  };

  it('is one package of a few files, and small', async () => {
    const { packages, files, megabytes } = await measureInstalled(join(place.path, 'prefix'));
    assert.equal(packages, 1);
    assert.ok(files.length <= 150, `${files.length} files`);
    assert.ok(megabytes <= MOST_MEGABYTES, `${megabytes} MB`);
  });

  it('contains the program and its documents, and no build or test files', async () => {
    const root = join(place.path, 'prefix', INSTALLED);
    const { files } = await measureInstalled(root);
    const folders = new Set(
      files.map((file) => relative(root, file).replace(/^(dist\/bundle|deploy)\/.*|^(docs)\/[^/]+\.md$/, '$1$2')),
    );
    assert.deepEqual(
      [...folders].sort(),
      [
        '.env.example',
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'deploy',
        'dist/bundle',
        'docs',
        'package.json',
        'SECURITY.md',
      ].sort(),
    );
  });

  it('has no relative link that leads nowhere', async () => {
    const root = join(place.path, 'prefix', INSTALLED);
    const documents = (await measureInstalled(root)).files.filter((file) => file.endsWith('.md'));
    const links = documents.map(async (file) => {
      const text = await readFile(file, 'utf8');
      const found = [...text.matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g)];
      const relatives = found
        .map(([, link, source]) => link ?? source ?? '')
        .filter((link) => !/^([a-z]+:|#)/.test(link));
      return relatives.map((link) => ({
        file: relative(root, file),
        link,
        target: join(dirname(file), link.replace(/#.*/, '')),
      }));
    });
    const all = (await Promise.all(links)).flat();
    assert.ok(all.length > 100, `${all.length} links`);
    assert.deepEqual(
      all.filter(({ target }) => !existsSync(target)).map(({ file, link }) => `${file}: ${link}`),
      [],
    );
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const { repository } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.ok(readme.includes(`](${repository}/blob/main/src/README.md)`));
  });

  it('runs no scripts at installation, and needs no other package', async () => {
    const manifest = JSON.parse(await readFile(join(place.path, 'prefix', INSTALLED, 'package.json'), 'utf8'));
    for (const each of ['dependencies', 'devDependencies', 'scripts', 'private'])
      assert.equal(manifest[each], undefined, each);
    assert.equal(manifest.engines.node, '>=20.19.0');
    const { files } = await measureInstalled(join(place.path, 'prefix'));
    assert.deepEqual(
      files.filter((file) => file.endsWith('.node') || file.endsWith('.gyp')),
      [],
    );
  });

  it('prints the version of package.json and its help', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.deepEqual(await runInstalled('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
    const { code, stdout } = await runInstalled('--help');
    assert.equal(code, 0);
    assert.match(stdout, /^Usage: weighbridge /);
  });

  it('starts small: without a web server, a client, or the texts of commands', async () => {
    const text = await readWithImports(join(ROOT, 'dist/bundle/main.js'));
    assert.match(text, /^\/\/ dist\/src\/domain\/trouble\.js$/m, 'it follows imports');
    assert.doesNotMatch(text, /^\/\/ node_modules\/(express|axios|mqtt|qs|commander|dotenv|cli-progress)\//m);
  });

  it('requires no file that it does not contain', async () => {
    const bundle = join(ROOT, 'dist/bundle');
    const scripts = (await readdir(bundle)).filter((file) => file.endsWith('.js'));
    const texts = await Promise.all(scripts.map((file) => readFile(join(bundle, file), 'utf8')));
    const asked = texts.flatMap((text) => [...text.matchAll(/\b(?:__require|require|import)\("(\.[^"]+)"\)/g)]);
    const missing = asked.map(([, path = '']) => path).filter((path) => !existsSync(join(bundle, path)));
    assert.ok(asked.length > 0);
    assert.deepEqual(missing, []);
  });

  it('plays the demo', async () => {
    const { code, stdout, stderr } = await runInstalled('demo', '--once');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Anna \(1234\): 81\.25 kg/);
  });

  it('publishes a weigh-in from the notification to the broker and its hook', async () => {
    await using home = await startHome({ script: program });
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await home.link('1234');
    await using daemon = await home.serve({ MQTT_URL: broker.url, HOOK_COMMAND: "append-csv.sh 'my weights.csv'" });
    const now = Math.floor(Date.now() / 1000);
    const [group] = await home.sandbox.weigh('1234', { kilograms: 81.25, date: now - 60 });
    assert.equal(await daemon.notify({ userid: 1234, appli: 1, startdate: now - 61, enddate: now }), 200);
    const { payload } = await listener.hears(({ topic }) => topic === 'weighbridge/1234/event');
    assert.equal(JSON.parse(payload).grpid, group?.grpid);
    assert.ok((await home.journal()).some(({ grpid }) => grpid === group?.grpid));
    const rows = () => readFile(join(home.directory, 'my weights.csv'), 'utf8').catch(() => '');
    await until(async () => /,81\.25,/.test(await rows()), 'a row of the hook');
    daemon.child.kill('SIGTERM');
    assert.equal((await daemon.exited).code, 0);
  });

  it('is identical byte for byte after a build in another folder', async () => {
    const again = await packElsewhere(join(place.path, 'elsewhere'));
    const sha256 = async (path: string) =>
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
    assert.equal(await sha256(again), await sha256(tarball));
  });

  it('names every package of the bundle with its licence', async () => {
    const text = await readFile(join(ROOT, 'dist/bundle/THIRD-PARTY-LICENSES'), 'utf8');
    const sections = text.split(`\n${'='.repeat(80)}\n\n`).slice(1);
    const named = sections.flatMap((section) =>
      [...section.matchAll(/^(\S+ \d+\.\d+\.\d+\S*) \(.*\)$/gm)].map(([, name]) => name),
    );
    const bundled = await bundledPackages();
    assert.ok(bundled.has(`express ${await versionOf('express')}`) && bundled.size > 50);
    assert.deepEqual(named.sort(), [...bundled].sort());
    for (const section of sections) {
      assert.match(section, /Permission is hereby granted|Permission to use|Redistribution and use/, section);
    }
  });

  it('loads packages in a way that works bundled and unbundled', async () => {
    const entries = await readdir(join(ROOT, 'src'), { recursive: true, withFileTypes: true });
    for (const { name, parentPath } of entries.filter(({ name }) => name.endsWith('.ts'))) {
      const text = await readFile(join(parentPath, name), 'utf8');
      // The bundle has only the default export of a CommonJS package. commander has an ES module without a default
      // export.
      const named = text.match(/^.*(?<!\{ default: \w+ \} = )await import\('(?!\.|node:|commander').*$/gm) ?? [];
      assert.deepEqual(named, [], name);
    }
  });

  it('has the files that the program reads next to the program, bundled or not', async () => {
    const entries = await readdir(join(ROOT, 'src'), { recursive: true, withFileTypes: true });
    const assets = entries.filter((entry) => entry.isFile() && !/\.(ts|md)$/.test(entry.name));
    for (const asset of assets) {
      const path = join(asset.parentPath, asset.name);
      const content = await readFile(path, 'utf8');
      for (const folder of ['dist/src', 'dist/bundle']) {
        assert.equal(await readFile(join(ROOT, folder, relative(join(ROOT, 'src'), path)), 'utf8'), content);
      }
    }
  });
});

async function versionOf(name: string): Promise<string> {
  return JSON.parse(await readFile(join(ROOT, `node_modules/${name}/package.json`), 'utf8')).version;
}

/** The text of a module and of all that is loaded with it. */
async function readWithImports(path: string, found = new Map<string, string>()): Promise<string> {
  if (found.has(path)) return '';
  const text = await readFile(path, 'utf8');
  found.set(path, text);
  for (const [, name = ''] of text.matchAll(/^(?:import |\} from )"?.*?"\.\/([^"]+)";$/gm)) {
    await readWithImports(join(dirname(path), name), found);
  }
  return [...found.values()].join('\n');
}
