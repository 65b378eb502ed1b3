import { readFileSync } from 'node:fs';

/** The version, which is written down in package.json alone; the build lays a copy of that beside the program. */
export function readVersion(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version;
}
