import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { installGlobally, pack, ROOT } from '../test/support/packed.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import { whatIsMissing } from './readiness.ts';

/**
 * `npm run release` makes the tarball and the tag of the version in package.json, from fresh clones of the commit. It
 * does not push or publish, and prints the commands for that. `--dry-run` leaves out the tag and the file. `--without-
 * checks` leaves out the checks of CI, for dry runs only.
 */
const { values } = parseArgs({
  options: {
    'dry-run': { type: 'boolean', default: false },
    'without-checks': { type: 'boolean', default: false },
  },
});
const isDry = values['dry-run'];
const run = promisify(execFile);
const say = (line: string) => void process.stdout.write(`${line}\n`);
const git = async (...args: readonly string[]) => (await run('git', args, { cwd: ROOT })).stdout;

const { version, repository }: { version: string; repository: string } = JSON.parse(
  await readFile(join(ROOT, 'package.json'), 'utf8'),
);
try {
  await release();
} catch (error) {
  say(`no release: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

async function release(): Promise<void> {
  if (values['without-checks'] && !isDry) throw new Error('--without-checks is for --dry-run alone');
  const problems = whatIsMissing({
    version,
    repository,
    changelog: await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'),
    status: await git('status', '--porcelain'),
    tags: (await git('tag', '--list')).split('\n'),
  });
  for (const problem of problems) say(`✗ ${problem}`);
  if (problems.length > 0 && !isDry) throw new Error('see above');
  if (problems.length === 0) say(`✓ the tree is clean, and CHANGELOG.md tells of ${version}`);

  await using place = await temporaryDirectory();
  const first = await packInClone(join(place.path, 'first'), { umask: '022', checked: !values['without-checks'] });
  const second = await packInClone(join(place.path, 'a second one'), { umask: '077', checked: false });
  const sha256 = await hash(first);
  if ((await hash(second)) !== sha256) throw new Error('two clones give two different tarballs');
  say(`✓ two clones give the same tarball: sha256 ${sha256}`);

  await tryOut(first, join(place.path, 'empty'));
  say('✓ installed into an empty folder, it says its version and plays its demo');

  if (isDry) return say(`nothing was tagged or kept: this was a dry run${problems.length > 0 ? ', and see ✗' : ''}`);
  const tarball = 'weighbridge.tgz';
  await copyFile(first, join(ROOT, tarball));
  await git('tag', '--annotate', `v${version}`, '--message', `weighbridge ${version}\n\nsha256 ${sha256}  ${tarball}`);
  say(`${tarball} is here, and v${version} is tagged. Nothing has left this machine; what does:`);
  say(`  git push origin v${version}`);
  say(`  gh release create v${version} ./${tarball} --notes-from-tag`);
  say(`  npm publish ./${tarball}`);
}

async function packInClone(
  directory: string,
  { umask, checked }: { readonly umask: string; readonly checked: boolean },
): Promise<string> {
  const clone = join(directory, 'clone');
  const commands = [
    `umask ${umask}`,
    'git clone --quiet "$0" "$1"',
    'cd "$1"',
    checked ? 'bash .ci/run' : 'npm ci --silent --no-audit --no-fund',
    'npm run --silent build',
  ];
  await mkdir(directory);
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands.join('\n'), ROOT, clone], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${checked ? 'a check fails' : 'it does not build'} in a fresh clone`);
  return await pack(clone, directory);
}

async function tryOut(tarball: string, prefix: string): Promise<void> {
  const { program } = await installGlobally(tarball, prefix);
  const { stdout } = await run(program, ['--version'], { cwd: prefix });
  if (stdout.trim() !== version) throw new Error(`it says that it is ${stdout.trim()}`);
  await run(program, ['demo', '--once'], { cwd: prefix });
}

async function hash(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
