import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check, Questions } from '../../src/cli/setup/questions.ts';
import { openSession, type Session, type SetupOptions } from '../../src/cli/setup/session.ts';
import { setUp } from '../../src/cli/setup/setup.ts';
import type { ExitCode, Shell } from '../../src/cli/shell.ts';
import { freePort } from './free-port.ts';
import { CLIENT, startHome } from './home.ts';
import { createShell } from './shell.ts';

/** The answers of a person in order. The next answer follows a rejected one. */
export type Answers = readonly (string | boolean)[];

/** A sandbox and a folder in which `setup` runs in this process, which works in that folder meanwhile. */
export async function startSetUpFolder(settings: Readonly<Record<string, string>> = {}) {
  const home = await startHome();
  const before = process.cwd();
  process.chdir(home.directory);
  const port = await freePort();
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  const record = (line: string) => {
    lines.push(line);
    for (const watch of watchers) watch();
  };
  const env = {
    WITHINGS_API_URL: home.sandbox.url.href,
    WITHINGS_ACCOUNT_URL: home.sandbox.url.href,
    HOST: '127.0.0.1',
    PORT: `${port}`,
    STATUS_PORT: '0',
    ...settings,
  };
  const path = join(home.directory, '.env');
  const shell = (known: Partial<Shell> = {}) => createShell({ env, say: record, print: record, ...known });

  return {
    ...home,
    port,
    env,
    path,
    shell,
    dotenv: () => readFile(path, 'utf8').catch(() => ''),
    write: (text: string) => writeFile(path, text),
    /** Returns the output, past and future, up to this text. */
    async until(wanted: RegExp): Promise<string> {
      for (;;) {
        const text = lines.join('\n');
        const [found] = wanted.exec(text) ?? [];
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => {
          watchers.add(resolve);
        });
        watchers.clear();
      }
    },
    text: () => lines.join('\n'),
    forget: () => void lines.splice(0),
    run: (options: Partial<SetupOptions>, known: Partial<Shell> = {}): Promise<ExitCode> =>
      setUp(shell(known), { try: false, mqtt: false, ...options }),
    /** Runs a session with these answers. `refused` collects the reasons of rejected answers. */
    async session(options: Partial<SetupOptions>, answers: Answers = [], refused: string[] = []): Promise<Session> {
      const session = await openSession(shell(), { try: true, ...options });
      return { ...session, questions: answerWith([...answers], refused) };
    },
    async [Symbol.asyncDispose]() {
      process.chdir(before);
      await home[Symbol.asyncDispose]();
    },
  };
}

export const CLIENT_OPTIONS = { clientId: CLIENT.clientId, clientSecret: CLIENT.clientSecret };

function answerWith(answers: (string | boolean)[], refused: string[]): Questions {
  const next = (message: string) => {
    const answer = answers.shift();
    if (answer === undefined) throw new Error(`nothing answers "${message}"`);
    return answer;
  };
  const typed = async (message: string, check: Check) => {
    for (;;) {
      const answer = String(next(message));
      const problem = check(answer);
      if (problem === undefined) return answer;
      refused.push(problem);
    }
  };
  return {
    text: typed,
    secret: typed,
    choose: async (message, choices) => {
      const wanted = next(message);
      const choice = choices.find(({ value }) => value === wanted);
      if (choice === undefined) throw new Error(`"${message}" has no choice ${wanted}`);
      return choice.value;
    },
    confirm: async (message) => next(message) === true,
  };
}
