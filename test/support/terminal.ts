import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { MAIN } from './program.ts';

/** `script` is part of util-linux, and not of Debian's `essential` packages. */
export const NO_TERMINAL = spawnSync('script', ['--version']).status === 0 ? false : 'there is no script(1)';

/** The limit is for a slow machine. Measuring its speed would block the Withings and the broker of this process. */
const LIMIT_MS = 120_000;

/** A run of `weighbridge` on a terminal of its own. */
export interface Terminal extends AsyncDisposable {
  /** Returns all output without colours. */
  text(): string;
  /** Waits for a text behind the one that was waited for last. */
  until(text: string | RegExp): Promise<void>;
  /** Waits for a question, and answers it as a keyboard does. */
  answer(question: string | RegExp, keys: string): Promise<void>;
  readonly exited: Promise<number | null>;
}

export const CTRL_C = '\u0003';
export const CTRL_D = '\u0004';
export const DOWN = '\u001b[B';

export function startTerminal(
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Terminal {
  const command = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols 100 rows 50; exec ${command}`, '/dev/null'], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', TZ: 'UTC', ...env },
  });
  let text = '';
  let at = 0;
  child.stdout.on('data', (chunk) => {
    text += stripVTControlCharacters(String(chunk));
  });
  const exited = once(child, 'close').then(([code]) => code);

  const find = (wanted: string | RegExp) => {
    const rest = text.slice(at);
    const index = typeof wanted === 'string' ? rest.indexOf(wanted) : rest.search(wanted);
    return index < 0 ? undefined : at + index;
  };
  const until = async (wanted: string | RegExp) => {
    for (let found = find(wanted); ; found = find(wanted)) {
      if (found !== undefined) {
        at = found + 1;
        return;
      }
      if (child.exitCode !== null) throw new Error(`ended without ${wanted}:\n${text}`);
      const limit = AbortSignal.timeout(LIMIT_MS);
      await Promise.race([once(child.stdout, 'data', { signal: limit }), exited]).catch(() => {
        throw new Error(`in vain for ${wanted}:\n${text}`);
      });
    }
  };
  return {
    text: () => text,
    until,
    async answer(question, keys) {
      await until(question);
      child.stdin.write(keys);
    },
    exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
