import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * `npm run pack` makes the tarball that users install, from the build. Its name has no version: a newer tarball
 * replaces an older one, and no `*` matches two.
 */
const { values } = parseArgs({ options: { 'pack-destination': { type: 'string', default: '.' } } });
const directory = values['pack-destination'];
const PACKAGE = fileURLToPath(new URL('../package/', import.meta.url));
const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', directory, PACKAGE], {
  encoding: 'utf8',
});
const tarball = join(directory, 'weighbridge.tgz');
renameSync(join(directory, packed.trim()), tarball);
process.stdout.write(`${tarball}\nTo install it: sudo npm install --global ./weighbridge.tgz\n`);
