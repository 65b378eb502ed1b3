import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fixture, fixturePath } from '../support/fixture.ts';
import { freePort } from '../support/free-port.ts';
import { patient } from '../support/patience.ts';
import { COMPILED, type Program, runProgram, startProgram, WITHOUT_ROOT } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const COMMANDS = [
  'serve',
  'demo',
  'sandbox',
  'doctor',
  'healthz',
  'login',
  'users',
  'token',
  'subscribe',
  'unsubscribe',
  'subscriptions',
  'import',
  'export',
  'backfill',
  'forget',
  'service',
  'setup',
];

/** The settings that `serve` needs to start in a directory of its own, and to stay on this machine. */
const SERVABLE = {
  WITHINGS_CLIENT_ID: 'my-id',
  WITHINGS_CLIENT_SECRET: 'hush-client-secret',
  CALLBACK_URL: 'https://me.example.org/hook/hush-path-secret?key=hush-query-secret',
  WITHINGS_API_URL: 'http://127.0.0.1:9',
  STATUS_PORT: '0',
  HOST: '127.0.0.1',
  PORT: '0',
};

/** Runs the program in an empty directory. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  await using directory = await temporaryDirectory();
  return await runProgram(args, { cwd: directory.path, env });
}

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');

describe('help', () => {
  const asks = [
    ['--help'],
    ['help'],
    ['--version'],
    ...COMMANDS.flatMap((name) => [
      [name, '--help'],
      ['help', name],
    ]),
  ];

  for (const args of asks) {
    it(`is printed on standard output without loading a server or a client: weighbridge ${args.join(' ')}`, async () => {
      await using directory = await temporaryDirectory();
      const { env, loaded } = spyOnModules(directory.path);
      const { code, stdout, stderr } = await runProgram(args, { cwd: directory.path, env, script: COMPILED });
      assert.deepEqual([code, stderr], [0, '']);
      const expected = args.includes('--version') ? /^[0-9]+\.[0-9]+\.[0-9]+\n$/ : /^Usage: weighbridge\b/;
      assert.match(stdout, expected);
      const modules = await loaded();
      assert.ok(modules.some((url) => url.includes('/node_modules/commander/')));
      for (const name of ['express', 'axios', 'mqtt', 'qs', 'cli-progress', '@inquirer', 'uqr']) {
        assert.ok(!modules.some((url) => url.includes(`/node_modules/${name}/`)), `${name} is loaded`);
      }
    });
  }

  it('names every command', async () => {
    const { stdout } = await run(['--help']);
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  ${name}\\b`, 'm'));
  });
});

/** Makes Node write a list of the loaded modules at the end of the program. */
function spyOnModules(directory: string) {
  const coverage = join(directory, 'coverage');
  return {
    env: { NODE_V8_COVERAGE: coverage },
    async loaded(): Promise<readonly string[]> {
      const [name = ''] = await readdir(coverage);
      const { result }: { result: { url: string }[] } = JSON.parse(await readFile(join(coverage, name), 'utf8'));
      return result.map(({ url }) => url);
    },
  };
}

describe('wrong usage', () => {
  for (const [args, word] of [
    [['nonsense'], 'nonsense'],
    [['--nonsense'], '--nonsense'],
    [['serve', '--nonsense'], '--nonsense'],
    [['demo', '--nonsense'], '--nonsense'],
    [['doctor', '1234'], 'doctor'],
    [['import', 'one', 'two'], 'import'],
  ] as const) {
    it(`exits 2 and reports the fault: weighbridge ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await run(args, SERVABLE);
      assert.deepEqual([code, stdout], [2, '']);
      assert.ok(stderr.includes(word), stderr);
    });
  }
});

for (const [typed, meant] of [
  ['logn', 'login'],
  ['docter', 'doctor'],
  ['user', 'users'],
  ['setpu', 'setup'],
] as const) {
  it(`suggests ${meant} for weighbridge ${typed}`, async () => {
    const { code, stderr } = await run([typed]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`unknown command '${typed}'\\n\\(Did you mean ${meant}\\?\\)`));
  });
}

const NOT_A_USER_ID = 'error: "Anna" is not a user id. Expected a user id, e.g. 1234. Run "weighbridge users".\n';

/** These messages were once unclear. Each line stands as it is printed. */
for (const [args, settings, expected] of [
  [
    ['serv'],
    {},
    'error: unknown command \'serv\'\n(Did you mean serve?)\nRun "weighbridge --help" for all commands.\n',
  ],
  [['help', 'nosuch'], {}, "error: unknown command 'nosuch'\n"],
  [['serve', 'extra'], SERVABLE, "error: too many arguments for 'serve'. Expected 0 arguments but got 1.\n"],
  [['unsubscribe'], SERVABLE, 'error: expected a user id, e.g. "weighbridge unsubscribe 1234", or --all for everyone'],
  [
    ['export', '--since', '2027-01-01', '--until', '2026-01-01'],
    SERVABLE,
    'error: --until (2026-01-01) is not after --since (2027-01-01)',
  ],
  [['token', '1234x'], SERVABLE, 'error: "1234x" is not a user id. Expected a user id, e.g. 1234.'],
  ...[['token'], ['backfill'], ['subscribe'], ['unsubscribe'], ['subscriptions'], ['export', '--user']].map(
    (words) => [[...words, 'Anna'], SERVABLE, NOT_A_USER_ID] as const,
  ),
  [['forget', 'Anna', '1'], SERVABLE, NOT_A_USER_ID],
  [
    ['forget', '1234'],
    SERVABLE,
    'error: expected a measure group. To list the newest, run "weighbridge forget 1234 0".\n',
  ],
  [['export', '--user', '99'], SERVABLE, 'error: user 99 is not linked (no person is). Run "weighbridge login".\n'],
  [['import', 'nofile'], SERVABLE, /^error: cannot read \S+nofile: no such file\n/],
  [
    ['serve'],
    { ...SERVABLE, WITHINGS_CLIENT_SECRET: '…' },
    'error: WITHINGS_CLIENT_SECRET: still has the placeholder "…". Replace it with your value.\n       e.g. WITHINGS_CLIENT_SECRET=',
  ],
  [
    ['serve'],
    { ...SERVABLE, CALLBACK_URL: 'me.example.org/hush' },
    'error: CALLBACK_URL: expected a URL that starts with https://, got "me.example.org/***"\n       e.g. CALLBACK_URL=https://me.example.org/withingsWebhook/9f2c\n',
  ],
] as const) {
  it(`is explained in plain words: weighbridge ${args.join(' ')}`, async () => {
    const { code, stderr } = await run(args, settings);
    assert.notEqual(code, 0);
    if (typeof expected === 'string') assert.ok(stderr.startsWith(expected), stderr);
    else assert.match(stderr, expected);
  });
}

it('the example for a missing setting can be copied unchanged', async () => {
  const { stderr } = await run(['serve']);
  for (const [name, example] of stderr.matchAll(/^ +e\.g\. (\w+)=(.*)$/gm)) assert.match(`${name}=${example}`, /=\S+$/);
  assert.match(stderr, /^ {7}e\.g\. WITHINGS_CLIENT_ID=1a2b3c4d5e6f$/m);
});

const NO_DOTENV =
  /^There is no \.env in this folder\. Run weighbridge in your folder, or with sudo if it is a service\.$/m;

describe('the configuration', () => {
  for (const [args, code] of [
    [['token', '1234'], 78],
    [['users'], 0],
  ] as const) {
    it(`is missed in a folder without .env, and not elsewhere: weighbridge ${args.join(' ')}`, async () => {
      const { code: exited, stderr } = await run(args);
      assert.equal(exited, code);
      assert.match(stderr, NO_DOTENV);
      await using directory = await temporaryDirectory();
      await writeFile(join(directory.path, '.env'), 'LOG_LEVEL=info\n');
      assert.doesNotMatch((await runProgram(args, { cwd: directory.path })).stderr, NO_DOTENV);
    });
  }

  for (const args of [[], ['serve']]) {
    it(`exits 78 if it is missing, with the source of the settings: weighbridge ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stdout], [78, '']);
      for (const word of ['WITHINGS_CLIENT_ID', 'WITHINGS_CLIENT_SECRET', 'https://developer.withings.com']) {
        assert.ok(stderr.includes(word), stderr);
      }
      assert.match(stderr, /weighbridge demo/);
      assert.match(stderr, NO_DOTENV);
    });
  }

  it('exits 78 if it is invalid, names every problem and masks secrets', async () => {
    const { code, stdout, stderr } = await run(['serve'], {
      ...SERVABLE,
      PORT: '80a',
      LOG_LEVEL: 'loud',
      CALLBACK_URL: 'http://me.example.org/hush-path-secret',
      WITHINGS_CLIENT_SECRT: 'hush-typo',
    });
    assert.deepEqual([code, stdout], [78, '']);
    for (const word of ['PORT', '80a', 'LOG_LEVEL', 'loud', 'CALLBACK_URL', 'WITHINGS_CLIENT_SECRT']) {
      assert.ok(stderr.includes(word), word);
    }
    assert.doesNotMatch(stderr, /hush/);
  });

  it('is read from .env in the working directory, and the environment takes precedence', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, '.env'), 'TOKENS_DIR=from-file\nLOG_LEVEL=loud\n');
    const cwd = directory.path;
    const input = JSON.stringify({ userid: '1234', refresh_token: 'abc' });
    const refused = await runProgram(['import'], { cwd, input });
    assert.equal(refused.code, 78);
    assert.match(refused.stderr, /LOG_LEVEL/);
    assert.equal((await runProgram(['import'], { cwd, input, env: { LOG_LEVEL: 'warn' } })).code, 0);
    assert.equal(await readFile(join(cwd, 'from-file/1234'), 'utf8'), 'abc\n');
  });
});

describe('serve', () => {
  it('exits 1 with one line that names the port if the port is taken', async () => {
    await using server = await openServer();
    const { code, stdout, stderr } = await run(['serve'], { ...SERVABLE, PORT: String(server.port) });
    assert.equal(code, 1);
    const lines = linesOf(stdout + stderr);
    assert.equal(lines.length, 1, stdout + stderr);
    assert.match(lines[0] ?? '', new RegExp(`127\\.0\\.0\\.1:${server.port}\\b`));
  });

  for (const setting of ['TOKENS_DIR', 'DATA_DIR']) {
    it(`exits 1 with one line that names the directory if ${setting} is not writable`, async () => {
      await using directory = await temporaryDirectory();
      const cwd = directory.path;
      const locked = join(cwd, 'locked');
      await mkdir(locked);
      await chmod(locked, 0o555);
      await chmod(cwd, 0o777);
      const env = { ...SERVABLE, [setting]: locked };
      const { code, stdout, stderr } = await runProgram(['serve'], { cwd, env, ...WITHOUT_ROOT });
      assert.equal(code, 1, stderr);
      const lines = linesOf(stdout + stderr);
      assert.equal(lines.length, 1, stdout + stderr);
      assert.ok(lines[0]?.includes(locked), lines[0]);
      assert.doesNotMatch(lines[0] ?? '', /bug in weighbridge/);
    });
  }

  it('logs its port, and exits 0 quickly on SIGTERM', async () => {
    await using server = await serve();
    const { public: address } = await server.listening();
    assert.ok(isAddress(address) && address.port > 0, JSON.stringify(address));
    assert.equal(await stops(server.program, 'SIGTERM'), 0);
  });

  it('makes its directories for the owner alone', async () => {
    await using server = await serve();
    await server.listening();
    for (const name of ['tokens', 'data']) assert.equal(await mode(join(server.cwd, name)), '700');
  });

  it('never prints a secret', async () => {
    await using server = await serve({ LOG_LEVEL: 'debug' });
    await server.listening();
    await stops(server.program, 'SIGTERM');
    assert.doesNotMatch(server.program.output(), /hush/);
  });

  it('never prints a path that is entirely secret', async () => {
    await using server = await serve({ CALLBACK_URL: '', WEBHOOK_PATH: '/hush-path-secret' });
    await server.listening();
    await stops(server.program, 'SIGTERM');
    assert.match(server.program.output(), /CALLBACK_URL/);
    assert.doesNotMatch(server.program.output(), /hush/);
  });

  it('ends at once on a second signal while the first waits for a rotation', async () => {
    await using withings = await openServer();
    await using server = await serve({ WITHINGS_API_URL: `http://127.0.0.1:${withings.port}` });
    await mkdir(join(server.cwd, 'tokens'), { recursive: true });
    await writeFile(join(server.cwd, 'tokens/1234'), 'rt-of-1234\n');
    const { public: address } = await server.listening();
    assert.ok(isAddress(address));
    const callback = `http://127.0.0.1:${address.port}/hook/hush-path-secret?key=hush-query-secret`;
    const body = new URLSearchParams({ userid: '1234', appli: '1' });
    assert.equal((await fetch(callback, { method: 'POST', body })).status, 200);
    await withings.asked;
    server.program.child.kill('SIGTERM');
    await server.program.line(({ event }) => event === 'stopping');
    assert.notEqual(await stops(server.program, 'SIGTERM', 1_000), 0);
  });
});

/** The daemon in a directory of its own. */
async function serve(env: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory();
  const cwd = directory.path;
  const program = startProgram(['serve'], { cwd, env: { ...SERVABLE, LOG_FORMAT: 'json', ...env } });
  return {
    cwd,
    program,
    listening: () => program.line(({ event }) => event === 'listening'),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Sends the signal and returns the exit code. Fails if the program ends late. */
async function stops({ child, exited }: Program, signal: NodeJS.Signals, limitMs = 4_000): Promise<number | null> {
  const mostMs = patient(limitMs);
  const since = performance.now();
  child.kill(signal);
  const { code } = await exited;
  const tookMs = performance.now() - since;
  assert.ok(tookMs < mostMs, `it took ${Math.round(tookMs)} ms`);
  return code;
}

function isAddress(value: unknown): value is { readonly host: string; readonly port: number } {
  return typeof value === 'object' && value !== null && 'port' in value && typeof value.port === 'number';
}

/** Opens a server that accepts requests and never answers. */
async function openServer() {
  const server = createServer();
  const asked = once(server, 'request');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(isAddress(address));
  return {
    port: address.port,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function mode(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** Answers of Withings' token request: whole, with the id as a number, or flat as the OAuth fields. */
const LOGIN = { userid: '1234', access_token: 'at', refresh_token: 'rt-of-1234', expires_in: 10_800 };
const ANSWERS: Readonly<Record<string, string>> = {
  'the whole answer': JSON.stringify({ status: 0, body: LOGIN }),
  'an answer with a number for the user id': JSON.stringify({ status: 0, body: { ...LOGIN, userid: 1234 } }),
  'an answer on many lines': `\n${JSON.stringify({ status: 0, body: LOGIN }, undefined, 2)}\n\n`,
  'the flat form': JSON.stringify(LOGIN),
  'what curl -i prints': withHeaders(JSON.stringify({ status: 0, body: LOGIN })),
  'what curl -i prints, with line ends as they are sent': withHeaders(JSON.stringify(LOGIN)).replaceAll('\n', '\r\n'),
  'what curl -i prints of two answers': `HTTP/1.1 100 Continue\n\n${withHeaders(JSON.stringify(LOGIN))}`,
};

/** Returns the headers of a real answer before the JSON. One of the headers contains an object. */
function withHeaders(json: string): string {
  return fixture('import-headers.txt').replace(/\n\{.*$/s, `\n${json}\n`);
}

const REFUSED: Readonly<Record<string, string>> = {
  'an error answer': '{"status":503,"body":{},"error":"Invalid Params: invalid code"}',
  'an error answer that does not say why': JSON.stringify({ status: 601, body: LOGIN, error: '' }),
  'an error answer with a login in it': JSON.stringify({ status: 601, body: LOGIN, error: 'Same arguments' }),
  nothing: '',
  HTML: '<html>Bad gateway</html>',
  'half a JSON': '{"status":0,"body":{"userid":"1234","refresh_token":"rt-of',
  null: 'null',
  'a list': '[]',
  'a number': '42',
  'an answer without a user': JSON.stringify({ status: 0, body: { ...LOGIN, userid: undefined } }),
  'an answer without a token': JSON.stringify({ status: 0, body: { ...LOGIN, refresh_token: undefined } }),
  'an answer with an empty token': JSON.stringify({ status: 0, body: { ...LOGIN, refresh_token: '' } }),
  'a token of two lines': JSON.stringify({ status: 0, body: { ...LOGIN, refresh_token: 'one\ntwo' } }),
  'a user id that is a path': JSON.stringify({ status: 0, body: { ...LOGIN, userid: '../1234' } }),
};

describe('import', () => {
  for (const [what, json] of Object.entries(ANSWERS)) {
    it(`stores the login of ${what} in a private file, from a file and from standard input`, async () => {
      for (const way of ['file', 'input']) {
        await using directory = await temporaryDirectory();
        const cwd = directory.path;
        await writeFile(join(cwd, 'answer.json'), json);
        const args = way === 'file' ? ['import', 'answer.json'] : ['import'];
        const { code, stdout, stderr } = await runProgram(args, { cwd, ...(way === 'input' && { input: json }) });
        assert.equal(code, 0, stderr);
        assert.match(stdout, /tokens\/1234\n$/);
        assert.doesNotMatch(stdout + stderr, /rt-of/);
        assert.equal(await readFile(join(cwd, 'tokens/1234'), 'utf8'), 'rt-of-1234\n');
        assert.equal(await mode(join(cwd, 'tokens/1234')), '600');
        assert.equal(await mode(join(cwd, 'tokens')), '700');
      }
    });
  }

  it('names the way out if another user owns the file', async () => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    await chmod(cwd, 0o777);
    const path = join(cwd, 'answer.json');
    await writeFile(path, JSON.stringify(LOGIN), { mode: 0o000 });
    const { code, stderr } = await runProgram(['import', path], { cwd, ...WITHOUT_ROOT });
    assert.equal(code, 1);
    const expected = `error: the user that owns the logins cannot read ${path}. Run "weighbridge import < FILE".\n`;
    assert.ok(stderr.endsWith(expected), stderr);
  });

  it('replaces the login of the same person and no other', async () => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    await mkdir(join(cwd, 'tokens'));
    await writeFile(join(cwd, 'tokens/1234'), 'old\n', { mode: 0o644 });
    await writeFile(join(cwd, 'tokens/5678'), 'other\n');
    assert.equal((await runProgram(['import'], { cwd, input: JSON.stringify(LOGIN) })).code, 0);
    assert.equal(await readFile(join(cwd, 'tokens/1234'), 'utf8'), 'rt-of-1234\n');
    assert.equal(await mode(join(cwd, 'tokens/1234')), '600');
    assert.equal(await readFile(join(cwd, 'tokens/5678'), 'utf8'), 'other\n');
  });

  for (const [what, input] of Object.entries(REFUSED)) {
    it(`exits 1, reports the reason and stores nothing if it gets ${what}`, async () => {
      await using directory = await temporaryDirectory();
      const cwd = directory.path;
      await mkdir(join(cwd, 'tokens'));
      await writeFile(join(cwd, 'tokens/1234'), 'old\n');
      const { code, stdout, stderr } = await runProgram(['import'], { cwd, input });
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^error: .+\n$/);
      assert.doesNotMatch(stderr, /rt-of|bug in weighbridge/);
      assert.equal(await readFile(join(cwd, 'tokens/1234'), 'utf8'), 'old\n');
      assert.deepEqual((await readdir(cwd)).sort(), ['tokens']);
      assert.deepEqual(await readdir(join(cwd, 'tokens')), ['1234']);
    });
  }

  it('repeats the error of Withings with a hint', async () => {
    await using directory = await temporaryDirectory();
    const input = REFUSED['an error answer'] ?? '';
    const { stderr } = await runProgram(['import'], { cwd: directory.path, input });
    assert.match(stderr, /503.*invalid code.*30 seconds/);
  });

  it('prints the text of an error without a status', async () => {
    const { code, stderr } = await run(['import', fixturePath('import-error.json')]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: Withings answered "invalid_params: Invalid code"\. A code works once, within 30 seconds\..*\n$/,
    );
  });

  it('skips the headers that curl -i prints', async () => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    const { code, stderr } = await runProgram(['import', fixturePath('import-headers.txt')], { cwd });
    assert.equal(code, 0, stderr);
    assert.equal(await readFile(join(cwd, 'tokens/1234'), 'utf8'), 'c3d4\n');
  });

  it('exits 1 with one line if the file is missing', async () => {
    const { code, stderr } = await run(['import', 'missing.json']);
    assert.equal(code, 1);
    assert.match(stderr, /^error: .*missing\.json.*\n$/);
  });
});

describe('demo', () => {
  it('prints one weight, exits 0 within 5 s and leaves nothing behind', async () => {
    await using directory = await temporaryDirectory();
    const mostMs = patient(5_000);
    const since = performance.now();
    const { code, stdout, stderr } = await runDemo(['--once'], directory.path);
    assert.equal(code, 0, stderr);
    assert.ok(performance.now() - since < mostMs);
    const weights = linesOf(stdout).filter((line) => /\d kg\b/.test(line));
    assert.equal(weights.length, 1, stdout);
    assert.match(
      weights[0] ?? '',
      /^\S+ info {2}Anna \(1234\): [0-9]+\.[0-9]{2} kg.*, measured \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\b/,
    );
    assert.ok(!(stdout + stderr).includes('\u001b'));
    assert.deepEqual(await readdir(directory.path), []);
  });

  it('prints JSON lines and nothing else on standard output with --json', async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout } = await runDemo(['--once', '--json'], directory.path);
    assert.equal(code, 0);
    const lines: { event: unknown; weight?: unknown }[] = linesOf(stdout).map((line) => JSON.parse(line));
    const weights = lines.filter(({ event, weight }) => event === 'reading' && typeof weight === 'number');
    assert.equal(weights.length, 1);
  });

  it('shows the page on the port of --port, and prints its link last on a line of its own', async () => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    const port = await freePort();
    const args = ['demo', '--port', `${port}`, '--host', '127.0.0.2'];
    await using program = startProgram(args, { cwd, env: { TMPDIR: cwd } });
    const link = `http://127.0.0.2:${port}/`;
    while (!program.output().includes(`\n${link}\n\n`)) await once(program.child.stderr ?? program.child, 'data');
    assert.ok(program.output().endsWith(`sample data:\n${link}\n\n`), program.output());
    const page = await (await fetch(link)).text();
    assert.match(page, /Anna/);
    assert.equal(await stops(program, 'SIGTERM'), 0);
  });

  it('reports that the port of --port is taken', async () => {
    await using directory = await temporaryDirectory();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { code, stderr } = await runDemo(['--port', `${port}`], directory.path);
    server.close();
    assert.equal(code, 1);
    assert.match(stderr, /error: .*EADDRINUSE.*Choose another port with --port/);
  });

  it('ignores all settings', async () => {
    await using directory = await temporaryDirectory();
    const env = { PORT: '80a', LOG_LEVEL: 'error', TOKENS_DIR: '/nonsense', WITHINGS_API_URL: 'nonsense' };
    const { code, stdout } = await runDemo(['--once'], directory.path, env);
    assert.equal(code, 0);
    assert.match(stdout, /\d kg\b/);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`exits 0 quickly on ${signal} and leaves nothing behind`, async () => {
      await using directory = await temporaryDirectory();
      const cwd = directory.path;
      await using program = startProgram(['demo', '--json'], { cwd, env: { TMPDIR: cwd } });
      await program.line(({ event }) => event === 'reading');
      assert.equal(await stops(program, signal), 0);
      assert.deepEqual(await readdir(cwd), []);
    });
  }

  it('exits 0 and leaves nothing behind after a stop during its start', async () => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    await using program = startProgram(['demo', '--json'], { cwd, env: { TMPDIR: cwd } });
    await program.line(({ event }) => event === 'listening');
    assert.equal(await stops(program, 'SIGINT'), 0);
    assert.deepEqual(await readdir(cwd), []);
  });
});

/** The demo may write only to the given directory. */
async function runDemo(args: readonly string[], directory: string, env: Readonly<Record<string, string>> = {}) {
  return await runProgram(['demo', ...args], { cwd: directory, env: { ...env, TMPDIR: directory } });
}
