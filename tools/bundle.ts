import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { describeLicences } from './licences.ts';

/** CommonJS packages load Node's own modules with `require`, which an ES module lacks. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

const OPTIONS = {
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  banner: { js: REQUIRE },
  chunkNames: '[name]-[hash]',
  legalComments: 'none',
  // A JSON table is read on demand, and faster than the same table in JavaScript.
  loader: { '.json': 'copy' },
  alias: {
    // Two packages depend on different versions.
    'mime-db': 'mime-db',
    // mqtt contains a copy of Node's own streams.
    'readable-stream': 'node:stream',
    // The stub saves 190 KB for proxies, which weighbridge does not offer. mqtt loads the package only for a proxy.
    socks: 'node:net',
    // The stub saves 136 KB for other charsets, because weighbridge reads bodies as bytes.
    'iconv-lite': 'node:buffer',
    // The package is for browsers only.
    'worker-timers': 'node:timers',
  },
  define: { globalThis: 'withoutFetch' },
  inject: ['tools/without-fetch.js'],
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** The modules that most commands need, with no package but qs. */
const SHARED =
  /^(app|config|domain|html|runtime|storage|withings)\/|^(cli\/(open-command|shell)|daemon\/(core|data-directory)|http\/probe|page\/view|systemd\/paths)\.js$/;
/** These modules are loaded first, before the command is known. */
const FIRST = ['cli/commands.js', 'config/sources.js'];
/** These modules import the ones that only the daemon loads later. */
const DAEMON = /^(daemon\/|cli\/serve\.js$)/;

/**
 * esbuild makes a chunk for each set of entry points that reach a module: 44 for `serve`, which take longer to open
 * than to read. So every module that is loaded later imports the shared modules, and modules of the daemon alone import
 * all of the daemon. Both are few chunks then.
 */
function shareModules(source: string): Plugin {
  const groups = new Map<string, 'shared-modules' | 'daemon-modules'>();
  return {
    name: 'share-modules',
    async setup({ onLoad, onResolve }) {
      const names = (await readdir(source, { recursive: true })).filter((name) => name.endsWith('.js')).toSorted();
      for (const importer of names) {
        const text = await readFile(join(source, importer), 'utf8');
        for (const [, path = ''] of text.matchAll(/import\('(\.[^']+)'\)/g)) {
          const name = join(dirname(importer), path);
          if (FIRST.includes(name)) continue;
          groups.set(name, DAEMON.test(importer) && !SHARED.test(name) ? 'daemon-modules' : 'shared-modules');
        }
      }
      const shared = names.filter((name) => SHARED.test(name)).map((name) => `import '${source}/${name}';`);
      onResolve({ filter: /^(shared|daemon)-modules$/ }, ({ path }) => ({ path, namespace: 'modules' }));
      onLoad({ filter: /./, namespace: 'modules' }, ({ path }) => ({
        contents: path === 'daemon-modules' ? `import '${source}/cli/serve.js';` : shared.join('\n'),
        resolveDir: source,
      }));
      onLoad({ filter: /\.js$/ }, async ({ path }) => {
        const group = groups.get(relative(source, path));
        return group && { contents: `import '${group}';\n${await readFile(path, 'utf8')}` };
      });
    },
  };
}

/**
 * Bundles the compiled program and its packages into `dist/bundle`: `main.js`, and chunks that are loaded on demand.
 * Nothing is minified, so that names, lines and module comments in a stack trace show their origin.
 */
export async function bundle(root: string): Promise<void> {
  const { metafile } = await build({
    ...OPTIONS,
    absWorkingDir: root,
    entryPoints: ['dist/src/main.js'],
    outdir: 'dist/bundle',
    metafile: true,
    plugins: [shareModules(`${root}dist/src`)],
  });
  const modules = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0),
  );
  const text = await describeLicences(
    root,
    modules.map(([path]) => path),
  );
  await writeFile(`${root}dist/bundle/THIRD-PARTY-LICENSES`, text);
}

/** The processes that tests start, in `dist/test/children`: bundled they start in half the time. */
export async function bundleChildren(root: string): Promise<void> {
  const names = (await readdir(`${root}dist/test/support`)).filter((name) => name.endsWith('-child.js'));
  const entryPoints = names.map((name) => `dist/test/support/${name}`);
  await build({ ...OPTIONS, absWorkingDir: root, entryPoints, outdir: 'dist/test/children' });
}
