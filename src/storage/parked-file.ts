import type { Parking } from '../domain/publisher.ts';
import { type FileSystem, nodeFiles, parent, storageTrouble, syncDirectory } from './files.ts';

const FILE_MODE = 0o600;

/**
 * A file that only ever grows, one line of JSON for each thing that was parked.
 *
 * @param path the file; its directory exists
 */
export function createParkedFile(path: string, files: FileSystem = nodeFiles): Parking {
  return {
    path,
    async park(line) {
      try {
        await using handle = await files.open(path, 'a+', FILE_MODE);
        const { size } = await handle.stat();
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
        // A power cut, or a full disk, has left half a line.
        const isTorn = bytesRead > 0 && buffer.toString() !== '\n';
        await handle.appendFile(`${isTorn ? '\n' : ''}${line}\n`);
        await handle.sync();
        if (size === 0) await syncDirectory(files, parent(path));
      } catch (error) {
        throw storageTrouble(`write ${path}`, error);
      }
    },
  };
}
