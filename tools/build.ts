import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle, bundleChildren } from './bundle.ts';
import { writePackage } from './package.ts';

/** Runs the steps of `npm run build` after the compiler. */
const root = fileURLToPath(new URL('../../', import.meta.url));
await copyAssets(`${root}src`, `${root}dist/src`);
await copyAssets(`${root}src`, `${root}dist/bundle`);
await bundle(root);
await bundleChildren(root);
await writePackage(root, `${root}dist/package`);

/** Copies assets to the same paths, because `main.ts` finds them relative to itself. */
async function copyAssets(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.(ts|md)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const target = join(to, relative(from, path));
    await mkdir(dirname(target), { recursive: true });
    await copyFile(path, target);
  }
}
