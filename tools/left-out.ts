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
];

interface UnusedBuiltin {
  readonly name: RegExp;
  /** Who loads it and does not use it here. */
  readonly importer: RegExp;
}

/** What of Node itself is loaded for nothing. */
const UNUSED_BUILTINS: readonly UnusedBuiltin[] = [
  // For `httpVersion: 2`, which nobody sets.
  { name: /^http2$/, importer: /\/axios\/lib\// },
  // For commands that are programs of their own.
  { name: /^node:child_process$/, importer: /\/commander\/lib\// },
];

/** Leaves out what cannot be reached. Fails where a package has changed so that there is nothing to leave out. */
export const leaveOut: Plugin = {
  name: 'leave out',
  setup(build) {
    const found = new Set<RegExp>();
    for (const { path, instead } of OMISSIONS) {
      build.onLoad({ filter: path }, async (module) => {
        found.add(path);
        const contents = instead(await readFile(module.path, 'utf8'));
        return { contents, loader: module.path.endsWith('.json') ? 'json' : 'js' };
      });
    }
    for (const { name, importer } of UNUSED_BUILTINS) {
      build.onResolve({ filter: name }, (module) => {
        if (!importer.test(module.importer)) return undefined;
        found.add(importer);
        return { path: module.path, namespace: 'left-out' };
      });
    }
    build.onLoad({ filter: /./, namespace: 'left-out' }, () => ({ contents: 'export default {};' }));
    build.onEnd(() => {
      const wanted = [...OMISSIONS.map(({ path }) => path), ...UNUSED_BUILTINS.map(({ importer }) => importer)];
      const gone = wanted.filter((each) => !found.has(each));
      return { errors: gone.map((each) => ({ text: `there is nothing like ${each} any more to leave out` })) };
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
