import { chmod, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A tarball keeps modes, and they hang on the umask of whoever has cloned and built. */
export async function levelModes(path: string): Promise<void> {
  const inside = await readdir(path).catch(() => undefined);
  for (const name of inside ?? []) await levelModes(join(path, name));
  if (inside === undefined) await chmod(path, (await isExecutable(path)) ? 0o755 : 0o644);
}

/** What begins with `#!` is run by its name. */
async function isExecutable(path: string): Promise<boolean> {
  return (await readFile(path, 'utf8')).startsWith('#!');
}
