import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The compiled program, for tests that read its modules. */
export const COMPILED = fileURLToPath(new URL('../../src/main.js', import.meta.url));

const SHIPPED = fileURLToPath(new URL('../../bundle/main.js', import.meta.url));

/** The bundle starts in half the time. `WEIGHBRIDGE_MAIN=dist/src/main.js` selects the compiler's output. */
export const MAIN = resolve(process.env['WEIGHBRIDGE_MAIN'] ?? SHIPPED);

/** An account without files and rights. */
export const OTHER_UID = 65_534;
/** The option that starts a program without root's rights, which tests may have. */
export const WITHOUT_ROOT = process.getuid?.() === 0 ? { uid: OTHER_UID } : {};

/** The script of a process in `test/support/`, bundled like the program. */
export function childScript(name: `${string}-child`): string {
  const folder = MAIN === COMPILED ? '../support' : '../children';
  return fileURLToPath(new URL(`${folder}/${name}.js`, import.meta.url));
}

/** The real program in a process of its own. */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcess;
  /** The lines of its standard output, past and to come. */
  texts(): AsyncIterable<string>;
  /** Returns all output so far of both streams. */
  readonly output: () => string;
  /** The first JSON log line, past or to come, that this is true of. Rejects when the program ends first. */
  line(isIt: (line: LogLine) => boolean): Promise<LogLine>;
  readonly lines: readonly LogLine[];
  readonly exited: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The standard input; null if the test writes to it. */
  readonly input?: string | null;
  readonly uid?: number;
  /** A program other than `weighbridge`. */
  readonly script?: string;
  /** Another root directory, above `cwd`, with an installed `weighbridge`. */
  readonly root?: string | undefined;
  /** The limit of open files. */
  readonly files?: number | undefined;
  /** The command that starts the program in a container, in place of Node here. */
  readonly within?: readonly string[];
}

/** Returns whether a line reports a fault. */
export function isComplaint({ level }: LogLine): boolean {
  return level === 'warn' || level === 'error';
}

/** Starts `weighbridge` with only the given environment, PATH, and the directory for temporary files. */
export function startProgram(
  args: readonly string[],
  { env = {}, cwd, input, uid, script = MAIN, root, files, within }: ProgramOptions,
): Program {
  const { PATH = '', TMPDIR } = process.env;
  const here = [
    ...(files === undefined ? [] : ['sh', '-c', 'ulimit -n "$0"; exec "$@"', `${files}`]),
    process.execPath,
    script,
  ];
  const there = root === undefined ? here : ['chroot', root, 'env', '-C', cwd.slice(root.length), 'weighbridge'];
  const [command = '', ...words] = within ?? there;
  const child = spawn(command, [...words, ...args], {
    cwd,
    env: { PATH, TZ: 'UTC', ...(TMPDIR && { TMPDIR }), ...env },
    ...(uid && { uid, gid: uid }),
  });
  if (input !== null) child.stdin.end(input ?? '');
  let stdout = '';
  let stderr = '';
  const lines: LogLine[] = [];
  const watchers = new Set<() => void>();
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (text) => {
    stdout += `${text}\n`;
    if (text.startsWith('{') && text.endsWith('}')) lines.push(JSON.parse(text));
    for (const watch of watchers) watch();
  });
  const exited = Promise.all([once(child, 'close'), once(reader, 'close')]).then(([[code]]) => ({
    code,
    stdout,
    stderr,
  }));

  return {
    child,
    lines,
    output: () => stdout + stderr,
    exited,
    async *texts() {
      for (let at = 0; ; ) {
        const lines = stdout.split('\n').slice(0, -1);
        for (const line of lines.slice(at)) yield line;
        at = lines.length;
        if (child.exitCode !== null || child.signalCode !== null) return;
        await new Promise<void>((resolve) => {
          const watch = () => {
            watchers.delete(watch);
            resolve();
          };
          watchers.add(watch);
          void exited.then(watch);
        });
      }
    },
    async line(isIt) {
      const found = new Promise<LogLine>((resolve) => {
        const watch = () => {
          const line = lines.find(isIt);
          if (line === undefined) return;
          watchers.delete(watch);
          resolve(line);
        };
        watchers.add(watch);
        watch();
      });
      const ended = exited.then(() => {
        throw new Error(`the program ended first:\n${stdout}${stderr}`);
      });
      ended.catch(() => undefined);
      return await Promise.race([found, ended]);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Runs `weighbridge` to its end. */
export async function runProgram(args: readonly string[], options: ProgramOptions) {
  return await startProgram(args, options).exited;
}
