import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Log } from '../domain/log.ts';
import { DIRECTORY_MODE, type FileSystem, isMissing, nodeFiles, parent } from './files.ts';

/** The files of a program that runs for months. If a directory is gone at a write, it is created again and logged. */
export function createLastingFiles(log: Log, files: FileSystem = nodeFiles): FileSystem {
  const open: FileSystem['open'] = async (path, flags, mode) => {
    try {
      return await files.open(path, flags, mode);
    } catch (error) {
      const isWritten = typeof flags === 'string' && /^[aw]/.test(flags);
      if (!isMissing(error) || !isWritten) throw error;
      const directory = parent(String(path));
      // In a removed working directory, Node 20 never finishes making a relative directory, so the path is absolute.
      // Undefined if the directory exists: another call was faster.
      const made = await mkdir(resolve(directory), { recursive: true, mode: DIRECTORY_MODE });
      if (made !== undefined) {
        const text = `the directory ${made} was removed while weighbridge was running. weighbridge created it again, but its files are lost.`;
        log.warn({ event: 'directory_remade', text, path: made });
      }
      return await files.open(path, flags, mode);
    }
  };
  return { ...files, open };
}
