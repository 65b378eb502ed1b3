import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realClock } from '../../src/runtime/real-clock.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts';
import { type LogLine, type Program, startProgram } from './program.ts';
import { temporaryDirectory } from './temporary.ts';

export const CLIENT = { clientId: 'test-client', clientSecret: 'test-client-secret-7f3a' };
export const URL_SECRET = 'url-secret-9c41';
export const CALLBACK_PATH = `/withingsWebhook/${URL_SECRET}`;

/** A Withings, a directory with `tokens/` and `data/`, and the real daemon in a process of its own, as often as wanted. */
export interface Home extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly directory: string;
  /** Stores a login in `tokens/` as a person does. */
  link(userId: string): Promise<string>;
  /** Starts `weighbridge serve`, and waits for nothing. */
  start(env?: Readonly<Record<string, string>>, args?: readonly string[]): Program;
  /** Starts a command whose standard input the test writes to. */
  typed(env: Readonly<Record<string, string>>, args: readonly string[]): Program;
  /** Starts `weighbridge serve` and waits until it listens. */
  serve(env?: Readonly<Record<string, string>>): Promise<RunningDaemon>;
  tokenFile(userId: string): Promise<string>;
  /** The journal, line by line, decoded. */
  journal(): Promise<JournalLine[]>;
  /** Returns path and content of every file below the directory. */
  files(): Promise<{ readonly path: string; readonly text: string }[]>;
}

export interface JournalLine {
  readonly userid: string;
  readonly grpid: number;
  readonly modified: number;
  readonly timestamp: number;
  readonly attrib: number;
  readonly held?: string;
  readonly withdrawn?: true;
  readonly measures: Readonly<Record<string, number>>;
}

export interface RunningDaemon extends Program {
  readonly url: string;
  /** Sends a notification as Withings does and returns the status of the answer. */
  notify(fields: Readonly<Record<string, string | number>>): Promise<number>;
  /** The line of the reading with this group. */
  reading(grpid: number): Promise<LogLine>;
}

/**
 * The place defaults to a temporary directory, and the program to `weighbridge`. Another program or another root
 * directory can replace them.
 */
export interface HomeOptions extends Partial<SandboxOptions> {
  readonly place?: AsyncDisposable & { readonly path: string };
  readonly script?: string;
  readonly root?: string | undefined;
  /** The limit of open files for the programs. */
  readonly files?: number;
}

export async function startHome({ place, script, root, files, ...options }: HomeOptions = {}): Promise<Home> {
  const temporary = place ?? (await temporaryDirectory(root === undefined ? undefined : join(root, 'tmp')));
  const directory = temporary.path;
  const tokens = join(directory, 'tokens');
  await mkdir(tokens, { mode: 0o700 });
  const sandbox = await startSandbox({ clock: realClock, client: CLIENT, strict: true, ...options });

  const begin = (args: readonly string[], env: Readonly<Record<string, string>>, input?: null) =>
    startProgram(args, {
      cwd: directory,
      ...(input === undefined ? {} : { input }),
      ...(script === undefined ? {} : { script }),
      root,
      files,
      env: {
        WITHINGS_CLIENT_ID: CLIENT.clientId,
        WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
        WITHINGS_API_URL: sandbox.url.href,
        WITHINGS_ACCOUNT_URL: sandbox.url.href,
        WEBHOOK_PATH: CALLBACK_PATH,
        HOST: '127.0.0.1',
        PORT: '0',
        STATUS_PORT: '0',
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'debug',
        ...env,
      },
    });

  const start = (env: Readonly<Record<string, string>> = {}, args: readonly string[] = ['serve']) => begin(args, env);

  const serve = async (env: Readonly<Record<string, string>> = {}): Promise<RunningDaemon> => {
    const program = start(env);
    const { public: bound } = await program.line(({ event }) => event === 'listening');
    const { port } = bound as { readonly port: number };
    const url = `http://127.0.0.1:${port}${CALLBACK_PATH}`;
    return {
      ...program,
      url,
      async notify(fields) {
        const body = new URLSearchParams(
          Object.entries(fields).map(([name, value]): [string, string] => [name, `${value}`]),
        );
        const answer = await fetch(url, { method: 'POST', body });
        await answer.arrayBuffer();
        return answer.status;
      },
      reading: (grpid) => program.line((line) => line['grpid'] === grpid),
    };
  };

  return {
    sandbox,
    directory,
    async link(userId) {
      const token = sandbox.grants.link(userId);
      await writeFile(join(tokens, userId), `${token}\n`);
      return token;
    },
    start,
    typed: (env, args) => begin(args, env, null),
    serve,
    tokenFile: (userId) => readFile(join(tokens, userId), 'utf8'),
    async journal() {
      const text = await readFile(join(directory, 'data/measures.jsonl'), 'utf8');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
    },
    async files() {
      const entries = await readdir(directory, { recursive: true, withFileTypes: true });
      const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      return await Promise.all(paths.map(async (path) => ({ path, text: await readFile(path, 'utf8') })));
    },
    async [Symbol.asyncDispose]() {
      await sandbox[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    },
  };
}
