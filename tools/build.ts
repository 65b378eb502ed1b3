import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { copyAssets } from './assets.ts';
import { bundle } from './bundle.ts';
import { makeProduct } from './product.ts';

/** What `npm run build` does after the compiler: makes `dist` the package that is shipped. */
const root = fileURLToPath(new URL('../../', import.meta.url));
await rm(`${root}dist/bundle`, { recursive: true, force: true });
await copyAssets(`${root}src`, `${root}dist/src`);
await copyAssets(`${root}src`, `${root}dist/bundle`);
await bundle(root);
await makeProduct(root);
