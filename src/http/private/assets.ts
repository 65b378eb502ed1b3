import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

export interface Asset {
  readonly type: string;
  readonly content: Buffer;
  /** Of its content, so that a browser may keep it for ever under an address that has it. */
  readonly hash: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Reads the files that go along with the page, by name. Nothing from the network ever names a file. */
export async function readAssets(directory: URL, names: readonly string[]): Promise<ReadonlyMap<string, Asset>> {
  const read = async (name: string) => {
    const content = await readFile(new URL(name, directory));
    const hash = createHash('sha256').update(content).digest('base64url').slice(0, 12);
    return [name, { type: TYPES[extname(name)] ?? 'application/octet-stream', content, hash }] as const;
  };
  return new Map(await Promise.all(names.map(read)));
}
