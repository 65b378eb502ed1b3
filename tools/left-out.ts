import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

interface Omission {
  /** Which module of which package. */
  readonly path: RegExp;
  /** What stands in its place, made of what it was. */
  readonly instead: (text: string) => string;
}

/**
 * Parts of packages that are loaded with them and can never be reached from here. What is left behaves as before; each
 * one was measured, and `src/README.md` has the figures.
 */
const OMISSIONS: readonly Omission[] = [
  // The form parser refuses every charset but UTF-8 and Latin-1 before these tables of East Asia are asked for.
  { path: /\/iconv-lite\/encodings\/tables\/[^/]+\.json$/, instead: () => '[]' },
  // A type without an extension and a charset of its own is to mime-types as if it were not there.
  { path: /\/node_modules\/mime-db\/db\.json$/, instead: knownByExtension },
  // Calls go through the adapter `http`; to look whether there is `fetch` makes Node load its whole HTTP client.
  { path: /\/axios\/lib\/adapters\/fetch\.js$/, instead: () => 'export const getFetch = () => undefined;' },
  // Forms are encoded before they are handed over, so none is built here.
  { path: /\/axios\/lib\/platform\/node\/classes\/FormData\.js$/, instead: () => 'export default undefined;' },
  // For commands that are programs of their own, of which there are none.
  {
    path: /\/commander\/lib\/command\.js$/,
    instead: (text) => text.replace("require('node:child_process')", 'undefined'),
  },
];

/** Leaves out what cannot be reached. Fails where a package has changed so that there is nothing to leave out. */
export const leaveOut: Plugin = {
  name: 'leave out',
  setup(build) {
    const found = new Set<RegExp>();
    for (const { path, instead } of OMISSIONS) {
      build.onLoad({ filter: path }, async (module) => {
        const text = await readFile(module.path, 'utf8');
        const contents = instead(text);
        if (contents !== text) found.add(path);
        return { contents, loader: module.path.endsWith('.json') ? 'json' : 'js' };
      });
    }
    build.onEnd(() => {
      const gone = OMISSIONS.map(({ path }) => path).filter((each) => !found.has(each));
      return { errors: gone.map((each) => ({ text: `there is nothing in ${each} any more to leave out` })) };
    });
  },
};

function knownByExtension(text: string): string {
  const types: Readonly<Record<string, { readonly extensions?: unknown; readonly charset?: unknown }>> =
    JSON.parse(text);
  return JSON.stringify(
    Object.fromEntries(Object.entries(types).filter(([, type]) => 'extensions' in type || 'charset' in type)),
  );
}
