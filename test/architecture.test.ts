import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './support/temporary.ts';

/** The tests run from dist/test. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIOME = join(ROOT, 'node_modules/.bin/biome');

const IMPORTS = 'lint/style/noRestrictedImports';
const GLOBALS = 'lint/style/noRestrictedGlobals';
const CYCLES = 'lint/suspicious/noImportCycles';
const BARREL = 'lint/performance/noBarrelFile';
const PROTOCOL = 'lint/style/useNodejsImportProtocol';

interface Case {
  readonly file: string;
  readonly code: string;
  /** The rule that must report an error; undefined if the import is allowed. */
  readonly rule: string | undefined;
}

const uses = (name: string) => `import { it } from '${name}';\n\nexport const used = it;\n`;

const row = (rule: string | undefined, folder: string, ...names: readonly string[]): Case[] =>
  names.map((name) => ({ file: `${folder}${slug(name)}.ts`, code: uses(name), rule }));
const slug = (name: string) => `imports-${name.replaceAll(/[^a-z]+/gi, '-')}`;

/** The same wrong import in all other syntaxes. */
function everyForm(folder: string, name: string): Case[] {
  const forms: Readonly<Record<string, string>> = {
    'side-effect': `import '${name}';`,
    'type-import': `import type { A } from '${name}';\n\nexport type B = A;`,
    'inline-type': `import { type A, b } from '${name}';\n\nexport const c: A = b;`,
    passed: `export { a } from '${name}';`,
    'all-passed': `export * from '${name}';`,
    'type-passed': `export type { A } from '${name}';`,
    late: `export const late = () => import('${name}');`,
  };
  return Object.entries(forms).map(([form, code]) => ({
    file: `${folder}${form}.ts`,
    code: `${code}\n`,
    rule: IMPORTS,
  }));
}

/** Returns two files that import each other. */
function ring(rule: string, one: string, other: string): Case[] {
  const code = (from: string, to: string) => {
    const path = relative(dirname(from), to);
    return uses(path.startsWith('.') ? path : `./${path}`);
  };
  return [
    { file: one, code: code(one, other), rule },
    { file: other, code: code(other, one), rule },
  ];
}

const CASES: readonly Case[] = [
  ...row(IMPORTS, 'src/domain/', '../withings/wire.ts', '../config/config.ts', '../storage/files.ts', 'node:fs', 'qs'),
  ...row(undefined, 'src/domain/', './token.ts'),
  ...row(IMPORTS, 'src/app/collect/', 'node:fs', 'node:fs/promises', '../../http/listen.ts', '../../config/config.ts'),
  ...row(IMPORTS, 'src/app/collect/', 'axios', 'mqtt'),
  ...row(
    undefined,
    'src/app/collect/',
    './queries.ts',
    '../tokens/access-tokens.ts',
    '../../domain/token.ts',
    'p-limit',
  ),

  ...row(IMPORTS, 'src/withings/', '../app/tokens/access-tokens.ts', '../storage/files.ts', '../config/config.ts'),
  ...row(IMPORTS, 'src/withings/', 'express', 'node:process'),
  ...row(undefined, 'src/withings/', './wire.ts', '../domain/token.ts', 'axios', 'qs', 'node:https'),
  ...row(
    IMPORTS,
    'src/http/',
    '../app/link/link.ts',
    '../storage/files.ts',
    '../config/config.ts',
    'axios',
    'node:process',
  ),
  ...row(undefined, 'src/http/', './listen.ts', '../domain/token.ts', 'express', 'node:http', 'node:fs/promises'),
  ...row(IMPORTS, 'src/http/public/', '../../app/link/link.ts', '../../page/view.ts', 'axios', 'node:process'),
  ...row(IMPORTS, 'src/http/public/', '../private/guesses.ts'),
  ...row(undefined, 'src/http/public/', '../listen.ts', '../../domain/token.ts', 'express'),
  ...row(IMPORTS, 'src/http/private/', '../../app/link/link.ts', '../../page/view.ts', 'axios', 'node:process'),
  ...row(IMPORTS, 'src/http/private/', '../public/callback-gate.ts'),
  ...row(undefined, 'src/http/private/', '../listen.ts', '../../domain/token.ts', 'express'),
  ...row(undefined, 'src/http/public/', '../listen.ts', '../../domain/token.ts', '../../html/html.ts', 'express'),
  ...row(IMPORTS, 'src/html/', '../page/view.ts', '../domain/token.ts', 'node:fs', 'express'),
  ...row(undefined, 'src/html/', './html.ts'),
  ...row(IMPORTS, 'src/page/', '../app/link/link.ts', '../http/listen.ts', '../config/config.ts', 'node:fs', 'express'),
  ...row(IMPORTS, 'src/page/chart/', '../../app/link/link.ts', '../../http/listen.ts', 'node:fs', 'd3'),
  ...row(
    undefined,
    'src/page/',
    './parts.ts',
    './chart/plot.ts',
    '../html/html.ts',
    '../domain/status.ts',
    'd3-time-format',
  ),
  ...row(
    undefined,
    'src/page/chart/',
    './plot.ts',
    '../../html/html.ts',
    '../../domain/history.ts',
    'd3-array',
    'd3-time',
  ),
  ...row(IMPORTS, 'src/storage/', '../app/link/link.ts', '../http/listen.ts', '../config/config.ts', 'express'),
  ...row(IMPORTS, 'src/storage/journal/', '../../http/listen.ts', '../../config/config.ts', 'express', 'node:process'),
  ...row(undefined, 'src/storage/', './files.ts', '../domain/token.ts', 'node:fs/promises'),
  ...row(undefined, 'src/storage/journal/', './line.ts', '../files.ts', '../../domain/token.ts', 'node:fs/promises'),
  ...row(IMPORTS, 'src/sandbox/', '../app/link/link.ts', '../withings/wire.ts', '../config/config.ts', 'qs'),
  ...row(undefined, 'src/sandbox/', './grants.ts', '../domain/token.ts', '../html/html.ts', 'node:http'),
  ...row(IMPORTS, 'src/sandbox/', '../page/view.ts'),
  ...row(IMPORTS, 'src/sandbox/demo/', '../../app/link/link.ts', '../../withings/wire.ts', 'qs', 'node:process'),
  ...row(undefined, 'src/sandbox/demo/', '../scale.ts', '../../domain/token.ts'),
  ...row(IMPORTS, 'src/systemd/', '../app/link/link.ts', '../storage/files.ts', '../config/config.ts', 'node:process'),
  ...row(undefined, 'src/systemd/', './paths.ts', '../domain/token.ts', 'node:child_process'),
  ...row(
    IMPORTS,
    'src/publishers/mqtt/',
    '../../app/link/link.ts',
    '../../storage/files.ts',
    '../hook/run.ts',
    'axios',
  ),
  ...row(undefined, 'src/publishers/mqtt/', './home-assistant.ts', '../../domain/token.ts', 'mqtt', 'node:fs/promises'),
  ...row(IMPORTS, 'src/publishers/hook/', '../../app/link/link.ts', '../mqtt/board.ts', 'mqtt', 'node:process'),
  ...row(undefined, 'src/publishers/hook/', './run.ts', '../../domain/token.ts', 'node:child_process'),
  ...row(IMPORTS, 'src/config/', '../app/link/link.ts', '../storage/files.ts', '../daemon/core.ts', 'axios'),
  ...row(IMPORTS, 'src/config/', '../runtime/logger.ts', 'node:process'),
  ...row(undefined, 'src/config/', '../domain/token.ts', '../systemd/paths.ts', 'node:fs'),
  ...row(undefined, 'src/config/', 'dotenv', 'fastest-levenshtein'),
  ...row(IMPORTS, 'src/home-assistant/', '../app/link/link.ts', '../daemon/core.ts', '../publishers/mqtt/publisher.ts'),
  ...row(IMPORTS, 'src/home-assistant/', 'axios', 'node:process'),
  ...row(undefined, 'src/home-assistant/', './options.ts', '../domain/token.ts', '../config/sources.ts', 'node:http'),
  ...row(IMPORTS, 'src/runtime/', '../app/link/link.ts', '../storage/files.ts', '../cli/shell.ts', 'axios'),
  ...row(IMPORTS, 'src/runtime/', '../config/config.ts', 'dotenv', 'node:process'),
  ...row(undefined, 'src/runtime/', '../domain/token.ts', 'node:fs'),
  ...row(
    IMPORTS,
    'src/doctor/',
    '../cli/shell.ts',
    '../daemon/daemon.ts',
    '../sandbox/grants.ts',
    '../withings/client.ts',
  ),
  ...row(IMPORTS, 'src/doctor/', '../publishers/mqtt/publisher.ts', 'axios', 'express', 'mqtt', 'node:process'),
  ...row(undefined, 'src/doctor/', './finding.ts', '../daemon/core.ts', '../http/probe.ts', 'node:tls'),
  ...row(undefined, 'src/doctor/', '../publishers/mqtt/trial.ts'),
  ...row(IMPORTS, 'src/daemon/', '../cli/shell.ts', '../doctor/examine.ts', '../sandbox/sandbox.ts', 'express'),
  ...row(undefined, 'src/daemon/', '../app/link/link.ts', '../storage/files.ts', '../page/view.ts', 'node:path'),

  ...row(IMPORTS, 'src/anywhere/', 'express', 'axios', 'qs', 'mqtt', 'commander', 'dotenv', 'p-limit', 'd3-array'),
  ...row(IMPORTS, 'src/anywhere/', 'node:process'),
  ...row(IMPORTS, 'src/anywhere/', 'axios/lib/axios.js', 'express/lib/express.js', 'left-pad', '@scope/package'),
  ...row(
    IMPORTS,
    'src/cli/',
    'express',
    'axios',
    'commander',
    'dotenv',
    'fastest-levenshtein',
    'cli-progress',
    '@inquirer/prompts',
    'uqr',
    'node:process',
  ),
  ...row(undefined, 'src/cli/', '../daemon/daemon.ts', '../storage/files.ts', 'node:fs/promises'),
  ...row(IMPORTS, 'src/cli/service/', 'express', 'commander', 'cli-progress', 'node:process'),
  ...row(undefined, 'src/cli/service/', '../shell.ts', '../../systemd/unit.ts', 'node:fs/promises'),
  ...row(IMPORTS, 'src/cli/login/', 'express', '@inquirer/prompts', 'uqr', 'node:process'),
  ...row(IMPORTS, 'src/cli/setup/', 'express', '@inquirer/prompts', 'uqr', 'node:process'),
  { file: 'src/cli/login/qr-code.ts', code: uses('uqr'), rule: undefined },
  { file: 'src/cli/setup/questions.ts', code: uses('@inquirer/prompts'), rule: undefined },
  { file: 'src/cli/progress.ts', code: "export const late = () => import('cli-progress');\n", rule: undefined },
  ...row(PROTOCOL, 'src/anywhere/', 'process'),
  { file: 'src/environment.ts', code: 'export const home = process.env;\n', rule: GLOBALS },
  { file: 'src/cli/environment.ts', code: 'export const home = process.env;\n', rule: GLOBALS },
  { file: 'src/main.ts', code: 'export const home = process.env;\n', rule: undefined },
  { file: 'src/cli/commands.ts', code: uses('commander'), rule: undefined },
  { file: 'src/config/sources.ts', code: uses('dotenv'), rule: undefined },

  ...everyForm('src/domain/', '../storage/files.ts'),
  ...everyForm('src/app/link/', '../../http/listen.ts'),
  ...everyForm('src/withings/', '../storage/files.ts'),
  ...everyForm('src/http/public/', '../private/guesses.ts'),
  ...everyForm('src/http/private/', '../public/callback-gate.ts'),
  ...everyForm('src/storage/journal/', '../../http/listen.ts'),
  ...everyForm('src/publishers/mqtt/', '../hook/run.ts'),
  ...everyForm('src/publishers/hook/', '../mqtt/board.ts'),
  ...everyForm('src/page/chart/', '../../http/listen.ts'),
  ...everyForm('src/sandbox/demo/', '../../withings/wire.ts'),
  ...everyForm('src/doctor/', '../cli/shell.ts'),
  ...everyForm('src/daemon/', '../cli/shell.ts'),
  ...everyForm('src/cli/service/', 'express'),
  ...ring(CYCLES, 'src/domain/egg.ts', 'src/domain/hen.ts'),
  ...ring(CYCLES, 'src/app/link/egg.ts', 'src/app/status/hen.ts'),
  ...ring(CYCLES, 'src/page/egg.ts', 'src/page/chart/hen.ts'),
  { file: 'src/storage/egg.ts', code: "export const late = () => import('./journal/hen.ts');\n", rule: CYCLES },
  { file: 'src/storage/journal/hen.ts', code: "export { late } from '../egg.ts';\n", rule: CYCLES },
  { file: 'src/domain/index.ts', code: "export { a } from './token.ts';\n", rule: BARREL },
  { file: 'src/domain/all.ts', code: "export * from './token.ts';\n", rule: BARREL },
  { file: 'src/http/public/index.ts', code: "export { a } from './app.ts';\n", rule: BARREL },
];

const canRun = spawnSync(BIOME, ['--version']).status === 0;

describe('the linter', { skip: canRun ? false : 'biome does not run on this machine' }, () => {
  let objections: ReadonlyMap<string, readonly string[]>;
  before(async () => {
    objections = await lint(CASES);
  });

  for (const { file, code, rule } of CASES) {
    it(`${rule === undefined ? 'accepts' : 'rejects'} in ${file}: ${code.trim().split('\n')[0]}`, () => {
      const found = objections.get(file) ?? [];
      if (rule === undefined) assert.deepEqual(found, []);
      else assert.ok(found.includes(rule), `${rule} does not object, only: ${found}`);
    });
  }
});

describe('src', () => {
  it('has one file next to its map, and a folder for everything else', async () => {
    assert.deepEqual(await filesIn('src'), ['README.md', 'main.ts', 'weighbridge.cjs']);
    for (const folder of ['src/app', 'src/publishers']) assert.deepEqual(await filesIn(folder), [], folder);
  });

  it('imports in forms that the linter sees', async () => {
    const unseen = /require\(|\bimport\(`|(?<!await |=> |\* )\bimport\('|'\.\/\.\.\//;
    for (const path of await readdir(join(ROOT, 'src'), { recursive: true })) {
      if (!path.endsWith('.ts')) continue;
      const lines = (await readFile(join(ROOT, 'src', path), 'utf8')).split('\n');
      assert.deepEqual(
        lines.filter((line) => unseen.test(line)),
        [],
        path,
      );
    }
  });
});

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();
}

/** Lints the files with the project's settings in a separate directory, and returns the violated rules of each. */
async function lint(files: readonly Case[]): Promise<ReadonlyMap<string, readonly string[]>> {
  await using directory = await temporaryDirectory();
  await cp(join(ROOT, 'biome.json'), join(directory.path, 'biome.json'));
  for (const { file, code } of files) {
    await mkdir(join(directory.path, dirname(file)), { recursive: true });
    await writeFile(join(directory.path, file), code);
  }
  const args = ['lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none'];
  const { stdout, stderr } = spawnSync(BIOME, args, { cwd: directory.path, encoding: 'utf8' });
  assert.ok(stdout.startsWith('{'), `biome does not accept biome.json:\n${stderr}`);
  const report: { diagnostics: { category: string; location: { path: string } }[] } = JSON.parse(stdout);
  const found = new Map<string, string[]>();
  for (const { category, location } of report.diagnostics) {
    found.set(location.path, [...(found.get(location.path) ?? []), category]);
  }
  return found;
}
