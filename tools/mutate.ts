import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRandom } from '../test/support/random.ts';
import { type Mutation, mutationsOf } from './mutations.ts';

/**
 * `npm run mutate`: breaks the compiled program in one place at a time, and runs the tests that are nearest to that
 * place until one fails. A place where none fails is printed: either a test is missing, or the change means nothing.
 *
 *   --seed N     which places (20261126)
 *   --count N    how many (200)
 *   --only TEXT  files whose path has the text
 *   --skip N     leaves out the first ones, to go on where a run was ended
 */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** A test that imports the place by more steps is unlikely to cover it. */
const FURTHEST = 4;
const MOST_TEST_FILES = 14;
const MOST_MS = 180_000;
/** These tests run the whole program, and come last in this order. */
const GENERAL = ['e2e/daemon.test.js', 'e2e/cli.test.js', 'e2e/healthz.test.js', 'e2e/mqtt.test.js'];

interface Workplace {
  /** A copy of the project, in which one file is changed at a time. */
  readonly tree: string;
  readonly temporary: string;
}

interface Place extends Mutation {
  readonly file: string;
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '20261126' },
    count: { type: 'string', default: '200' },
    skip: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
  },
});

const modules = await modulesBelow('dist/src');
const testFiles = (await modulesBelow('dist/test')).filter(
  (file) => file.endsWith('.test.js') && !file.startsWith('dist/test/long/'),
);
const imports = new Map<string, readonly string[]>();
for (const file of await modulesBelow('dist')) imports.set(file, await importsOf(file));
const distances = new Map(testFiles.map((file) => [file, distancesFrom(file)]));
/** The modules of the command that a test in `e2e/` runs. */
const driven = new Map(
  testFiles.flatMap((file) => {
    const command = modules.find((name) => name.startsWith('dist/src/cli/') && commandOf(name) === commandOf(file));
    return file.startsWith('dist/test/e2e/') && command !== undefined ? [[file, distancesFrom(command)]] : [];
  }),
);

const places = await drawPlaces();
const survivors: Place[] = [];
let done = 0;
const workers = Array.from({ length: Math.max(1, Math.floor(cpus().length / 2)) }, work);
await Promise.all(workers);
const killed = done - survivors.length;
process.stdout.write(`${done} changes, ${killed} killed (${Math.round((100 * killed) / done)} %)\n`);

/** Each file has an equal share of the places, so that long files do not dominate. */
async function drawPlaces(): Promise<Place[]> {
  const random = createRandom(Number(values.seed));
  const byFile = new Map<string, Place[]>();
  for (const file of modules.filter((name) => name.includes(values.only))) {
    const found = mutationsOf(await readFile(join(ROOT, file), 'utf8')).map((mutation) => ({ ...mutation, file }));
    if (found.length > 0) byFile.set(file, found);
  }
  const drawn: Place[] = [];
  const files = [...byFile.keys()];
  while (drawn.length < Number(values.count) && files.length > 0) {
    const at = Math.floor(random() * files.length);
    const left = byFile.get(files[at] ?? '') ?? [];
    drawn.push(...left.splice(Math.floor(random() * left.length), 1));
    if (left.length === 0) files.splice(at, 1);
  }
  return drawn.slice(Number(values.skip));
}

async function work(): Promise<void> {
  const workplace = { tree: await copyTree(), temporary: await mkdtemp(join(tmpdir(), 'weighbridge-mutate-')) };
  const { tree, temporary } = workplace;
  // Some tests run the program as another user, who must read the tree.
  await chmod(tree, 0o755);
  await chmod(temporary, 0o1777);
  try {
    for (let place = places.shift(); place !== undefined; place = places.shift()) {
      const path = join(tree, place.file);
      const original = await readFile(path, 'utf8');
      await writeFile(path, original.slice(0, place.start) + place.text + original.slice(place.end));
      const suspect = await findKiller(workplace, place.file);
      await writeFile(path, original);
      // A test that also fails without the change did not detect it.
      const isSure = suspect === undefined || (await passes(workplace, `dist/test/${suspect}`));
      const killer = isSure ? suspect : undefined;
      if (!isSure) process.stdout.write(`${suspect} fails without any change\n`);
      done += 1;
      if (killer === undefined) survivors.push(place);
      const line = original.slice(0, place.start).split('\n').length;
      const before = original.slice(place.start, place.end).replace(/\s+/g, ' ').slice(0, 70);
      const what = `${place.file.slice('dist/src/'.length)}:${line} ${place.kind}: ${before} → ${place.text.slice(0, 70)}`;
      process.stdout.write(`${killer === undefined ? 'SURVIVED' : 'killed'} ${what} [${killer ?? 'no test failed'}]\n`);
    }
  } finally {
    await rm(tree, { recursive: true, force: true });
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The first test file that fails, of those that are nearest to the file. */
async function findKiller(place: Workplace, file: string): Promise<string | undefined> {
  const startedAt = performance.now();
  for (const testFile of testsOf(file)) {
    if (performance.now() - startedAt > MOST_MS) return undefined;
    if (!(await passes(place, testFile))) return testFile.slice('dist/test/'.length);
  }
  return undefined;
}

async function passes({ tree, temporary }: Workplace, testFile: string): Promise<boolean> {
  const child = spawn(process.execPath, ['--test', '--test-timeout=240000', testFile], {
    cwd: tree,
    stdio: 'ignore',
    // The bundles are without the change.
    env: { ...process.env, TMPDIR: temporary, WEIGHBRIDGE_MAIN: 'dist/src/main.js' },
  });
  const [code] = await once(child, 'close');
  return code === 0;
}

/** The test of the same name first, then by the number of imports between them, then what drives the program. */
function testsOf(file: string): readonly string[] {
  const name = file.slice('dist/src/'.length, -'.js'.length);
  const mirror = testFiles.filter((test) => test.startsWith(`dist/test/${name}.`));
  const distance = (test: string) => distances.get(test)?.get(file) ?? Number.POSITIVE_INFINITY;
  const near = testFiles
    .filter((test) => !test.startsWith('dist/test/e2e/') && distance(test) <= FURTHEST)
    .sort((one, other) => distance(one) - distance(other));
  const steps = (test: string) => driven.get(test)?.get(file) ?? Number.POSITIVE_INFINITY;
  const drivers = [...driven.keys()].filter((test) => steps(test) < Number.POSITIVE_INFINITY);
  drivers.sort((one, other) => steps(one) - steps(other));
  const general = GENERAL.map((test) => `dist/test/${test}`);
  const ways = [drivers, near.slice(0, MOST_TEST_FILES)];
  if (!name.startsWith('cli/')) ways.reverse();
  return [...new Set([...mirror, ...ways.flat(), ...general])];
}

/** Returns `export` for `dist/src/cli/export.js` and for `dist/test/e2e/export.test.js`. */
function commandOf(file: string): string | undefined {
  return /([^/]+?)(?:\.test)?\.js$/.exec(file)?.[1];
}

function distancesFrom(file: string): ReadonlyMap<string, number> {
  const found = new Map([[file, 0]]);
  for (const [at, distance] of found) {
    for (const next of imports.get(at) ?? []) if (!found.has(next)) found.set(next, distance + 1);
  }
  return found;
}

async function importsOf(file: string): Promise<readonly string[]> {
  const text = await readFile(join(ROOT, file), 'utf8');
  const own = [...text.matchAll(/(?:from |import\()'(\.[^']+)'/g)].map(([, name = '']) => name);
  return own.map((name) => relative(ROOT, resolve(ROOT, dirname(file), name)));
}

async function modulesBelow(directory: string): Promise<readonly string[]> {
  const names = await readdir(join(ROOT, directory), { recursive: true });
  const isModule = (name: string) => name.endsWith('.js') && !/(^|\/)(static|bundle|package)\//.test(name);
  return names
    .filter(isModule)
    .map((name) => join(directory, name))
    .sort();
}

/** Copies all files that tests read. The copy shares the packages. */
async function copyTree(): Promise<string> {
  const tree = await mkdtemp(join(tmpdir(), 'weighbridge-mutant-'));
  for (const name of await readdir(ROOT)) {
    if (name === 'node_modules' || name === '.git') continue;
    await cp(join(ROOT, name), join(tree, name), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}
