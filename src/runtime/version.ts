import { readFileSync } from 'node:fs';

/** The files that come with the program. `main.ts` finds them: bundled or not, its path is the same. */
export interface OwnFiles {
  /** `package.json` */
  readonly manifest: URL;
  /** The folder of the style sheet, the script and the icon of the status page. */
  readonly page: URL;
  /** The folder of the hooks that come along. */
  readonly hooks: URL;
}

/** Where the source is, as `package.json` states it. */
export function readRepository({ manifest }: Pick<OwnFiles, 'manifest'>): string {
  const { repository }: { readonly repository: string } = JSON.parse(readFileSync(manifest, 'utf8'));
  return repository;
}

/** The version, which `package.json` alone states. */
export function readVersion({ manifest }: Pick<OwnFiles, 'manifest'>): string {
  const { version }: { readonly version: string } = JSON.parse(readFileSync(manifest, 'utf8'));
  return version;
}
