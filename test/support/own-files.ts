import type { OwnFiles } from '../../src/runtime/version.ts';

/** The program's own files, as the compiled `main.js` finds them. */
export const OWN_FILES: OwnFiles = {
  manifest: new URL('../../../package.json', import.meta.url),
  hooks: new URL('../../../deploy/hooks/', import.meta.url),
  page: new URL('../../src/page/static/', import.meta.url),
};
