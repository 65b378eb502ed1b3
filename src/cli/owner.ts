import { statSync } from 'node:fs';
import { parseConfig } from '../config.ts';
import { parent } from '../storage/files.ts';
import type { Shell } from './shell.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * As whom a command must work beside a daemon, where that is somebody else than root who has called it: a login that root
 * rotated would be in a file that the daemon's user cannot read.
 */
export function ownerBeside({ env, isRoot }: Pick<Shell, 'env' | 'isRoot'>): Owner | undefined {
  if (!isRoot) return undefined;
  const owner = ownerOf(parseConfig(env, 'files').readable.directories.tokens);
  return owner?.uid === 0 ? undefined : owner;
}

/** Of the directory, or of the one that it will be made in. */
function ownerOf(path: string): Owner | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined) return found;
  const above = path.includes('/') ? parent(path) : '.';
  return above === path ? undefined : ownerOf(above);
}
