import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { copyAssets } from './assets.ts';
import { bundle } from './bundle.ts';
import { levelModes } from './modes.ts';

/** What `npm run build` does after the compiler. */
const root = fileURLToPath(new URL('../../', import.meta.url));
await copyAssets(`${root}src`, `${root}dist/src`);
await copyAssets(`${root}src`, `${root}dist/bundle`);
await bundle(root);
const { files }: { files: readonly string[] } = JSON.parse(await readFile(`${root}package.json`, 'utf8'));
for (const path of [...files, 'package.json', 'README.md', 'LICENSE']) await levelModes(`${root}${path}`);
