import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { describeLicences } from './licences.ts';

/** CommonJS packages ask for Node's own modules with `require`, which a module does not have. */
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
  // A table in JSON is read only when a package asks for it, and faster than the same table in JavaScript.
  loader: { '.json': 'copy' },
  alias: {
    // Two packages bring a version each.
    'mime-db': 'mime-db',
    // mqtt brings a copy of Node's own streams.
    'readable-stream': 'node:stream',
    // 190 KB for proxies that weighbridge does not offer; mqtt loads it only where one is set.
    socks: 'node:net',
    // 136 KB for texts in other charsets: weighbridge takes bodies as bytes.
    'iconv-lite': 'node:buffer',
    // For browsers.
    'worker-timers': 'node:timers',
  },
  define: { globalThis: 'withoutFetch' },
  inject: ['tools/without-fetch.js'],
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** What most commands need, and no package but qs. */
const SHARED =
  /^(app|config|domain|html|runtime|storage|withings)\/|^(cli\/(open-command|shell)|daemon\/(core|data-directory)|http\/probe|page\/view|systemd\/paths)\.js$/;
/** Loaded before it is known what else is needed. */
const FIRST = ['cli/commands.js', 'config/sources.js'];
/** What imports the modules that only the daemon loads later. */
const DAEMON = /^(daemon\/|cli\/serve\.js$)/;

/**
 * esbuild makes a chunk for each set of entry points that reach a module: 44 for `serve`, and to open them takes longer
 * than to read them. So all that is loaded later imports the shared modules, and what the daemon alone loads imports
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
 * Puts the compiled program and its packages into `dist/bundle`: `main.js`, and chunks that are loaded when they are
 * needed. Nothing is minified, so that names, lines and module comments in a stack trace say where it was.
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
