import { readFileSync } from 'node:fs';

/** The files that come with the program. `main.ts` finds them: bundled or not, its path is the same. */
export interface OwnFiles {
  /** `package.json` */
  readonly manifest: URL;
  /** The folder of the style sheet, the script and the icon of the status page. */
  readonly page: URL;
  /** The folder of the shipped hooks. */
  readonly hooks: URL;
}

/** The facts that only `package.json` has: the version, and the address of the source. */
export function readManifest({ manifest }: Pick<OwnFiles, 'manifest'>): {
  readonly version: string;
  readonly repository: string;
} {
  return JSON.parse(readFileSync(manifest, 'utf8'));
}
