import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The package as it is built here. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Packs the build as `npm run pack` does, and returns the tarball. It does not build, because other tests use the
 * build.
 */
export async function pack(root: string, directory: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', directory, './dist/package'], {
    cwd: root,
  });
  return join(directory, stdout.trim());
}

/** Packs the build as another version, under the name that users get. */
export async function packVersion(version: string, directory: string): Promise<string> {
  const folder = join(directory, version);
  await cp(join(ROOT, 'dist/package'), folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ ...manifest, version }));
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', directory, folder]);
  await rm(folder, { recursive: true });
  return join(directory, stdout.trim());
}

/** Installs only a tarball, as `npm install --global` does. */
export async function installGlobally(tarball: string, prefix: string): Promise<{ readonly program: string }> {
  await mkdir(prefix, { recursive: true });
  await run('npm', ['install', '--global', '--prefix', prefix, '--offline', '--no-audit', '--no-fund', tarball]);
  return { program: join(prefix, 'bin/weighbridge') };
}

/** Measures a directory: the number of files and packages, and the size in megabytes. */
export async function measureInstalled(directory: string, { nested = true } = {}) {
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  const entries = found.filter(
    ({ parentPath }) => nested || !parentPath.slice(directory.length).includes('node_modules'),
  );
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const blocks = await Promise.all(files.map(async (file) => (await stat(file)).blocks));
  const manifests = files.filter((file) => /node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file));
  return {
    files,
    packages: manifests.length,
    megabytes: (blocks.reduce((sum, each) => sum + each, 0) * 512) / 1e6,
  };
}

/** Builds and packs the same sources in another folder, at another time, with another umask and zone. */
export async function packElsewhere(directory: string): Promise<string> {
  const copy = join(directory, 'a copy');
  const isNeeded = (path: string) => !/^(dist|data|\.git|node_modules\/@biomejs)$/.test(relative(ROOT, path));
  await cp(ROOT, copy, { recursive: true, filter: isNeeded, verbatimSymlinks: true });
  const build =
    'umask 077 && npm run --silent build && find . -name node_modules -prune -o -exec touch -d 2001-01-01 {} +';
  await run('sh', ['-c', build], { cwd: copy, env: { ...process.env, TZ: 'Asia/Tokyo', LC_ALL: 'C' } });
  return await pack(copy, directory);
}

/** Returns `NAME VERSION` of each package in the bundle, from the bundler's own comments. */
export async function bundledPackages(): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const file of await readdir(join(ROOT, 'dist/bundle'))) {
    if (!file.endsWith('.js')) continue;
    const text = await readFile(join(ROOT, 'dist/bundle', file), 'utf8');
    for (const [, path] of text.matchAll(/^\/\/ (\S*node_modules\/(?:@[^/\s]+\/)?[^/\s]+)\//gm)) {
      const { name, version } = JSON.parse(await readFile(join(ROOT, `${path}/package.json`), 'utf8'));
      names.add(`${name} ${version}`);
    }
  }
  return names;
}
