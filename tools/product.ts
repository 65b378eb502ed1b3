import { chmod, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a user gets beside the program. */
const BESIDE = ['README.md', 'LICENSE', 'CHANGELOG.md', '.env.example', 'deploy'];

/** The parts of our manifest that say something to who installs; the rest is for who builds. */
const KEPT = ['name', 'version', 'description', 'license', 'type', 'engines'];

/**
 * Makes `dist` the package that is shipped. Its manifest has no scripts, so that an installation has nothing to run,
 * and no dependencies, because they are in the bundle.
 */
export async function makeProduct(root: string): Promise<void> {
  const manifest: Readonly<Record<string, unknown>> = JSON.parse(await readFile(`${root}package.json`, 'utf8'));
  const product = {
    ...Object.fromEntries(KEPT.map((field) => [field, manifest[field]])),
    bin: { weighbridge: 'bundle/main.js' },
    files: ['bundle', ...BESIDE],
  };
  await writeFile(`${root}dist/package.json`, `${JSON.stringify(product, undefined, 2)}\n`);
  for (const name of BESIDE) await cp(`${root}${name}`, `${root}dist/${name}`, { recursive: true });
  for (const name of ['package.json', ...product.files]) await levelMode(`${root}dist`, name);
}

/** A tarball keeps modes, and they hang on the umask of whoever has cloned and built. */
async function levelMode(directory: string, name: string): Promise<void> {
  const path = join(directory, name);
  const inside = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  for (const entry of inside ?? []) await levelMode(path, entry.name);
  if (inside === undefined) await chmod(path, (await isExecutable(path)) ? 0o755 : 0o644);
}

/** What begins with `#!` is run by its name. */
async function isExecutable(path: string): Promise<boolean> {
  return (await readFile(path, 'utf8')).startsWith('#!');
}
