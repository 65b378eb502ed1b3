import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** Far more than any settings need. */
const MOST_BYTES = 1024 * 1024;

/**
 * Reads only a small regular file: a FIFO may never end, and neither does `/dev/zero`.
 *
 * @throws Error that names the kind of file
 */
export function readSmallFile(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (stats.isFIFO()) throw new Error(`${path} is a FIFO, not a file`);
    if (stats.isCharacterDevice() || stats.isBlockDevice()) throw new Error(`${path} is a device, not a file`);
    if (stats.size > MOST_BYTES) throw new Error(`${path} is too large (${stats.size} bytes)`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
