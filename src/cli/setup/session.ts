import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Config, describeProblem, formatWarning, parseConfig } from '../../config/config.ts';
import { type Changes, editDotenv } from '../../config/dotenv-file.ts';
import { SettingError } from '../../config/readers.ts';
import type { Finding } from '../../doctor/finding.ts';
import { createMask } from '../../domain/secrets.ts';
import { nodeFiles, readText, replaceFile } from '../../storage/files.ts';
import { describeFinding } from '../doctor.ts';
import { secretsIn } from '../open-command.ts';
import { ExitCode, ExitError, type Shell } from '../shell.ts';
import type { Check, Questions } from './questions.ts';

/** Every answer as an option, for scripts. */
export interface SetupOptions {
  readonly way?: string;
  readonly hostName?: string;
  readonly redirectUrl?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** False if the callback URL must not be tried. */
  readonly try: boolean;
  readonly link?: boolean;
  readonly paste?: boolean;
  readonly name?: string;
  /** The URL of a broker, or false for none. */
  readonly mqtt?: string | false;
  readonly mqttUsername?: string;
  readonly mqttPassword?: string;
  readonly history?: boolean;
  readonly service?: boolean;
}

export type Session = Awaited<ReturnType<typeof openSession>>;

/** The answers so far, each of which is stored in `.env` at once. */
export async function openSession(shell: Shell, options: SetupOptions) {
  const { keyboard, terminal, signal, say } = shell;
  const ask = keyboard && terminal && { keyboard, terminal, signal, say };
  // The module is loaded only if it asks.
  const questions: Questions | undefined = ask && (await import('./questions.ts')).openQuestions(ask);
  const path = await realpath('.env').catch(() => resolve('.env'));
  const env: Record<string, string | undefined> = { ...shell.env };
  let isChanged = false;
  return {
    options,
    questions,
    say,
    /** The shell, with the current settings. */
    shell: (): Shell => ({ ...shell, env }),
    setting: (name: string) => env[name]?.trim() || undefined,
    config: (): Config => readAll(env),
    /** The settings with these changes. */
    trial: (changes: Readonly<Record<string, string>>): Config => readAll({ ...env, ...changes }),
    /** Whether anything was stored. */
    isChanged: () => isChanged,
    /** An undefined setting is removed. */
    async save(changes: Changes): Promise<void> {
      const text = (await readText(nodeFiles, path)) ?? '';
      await replaceFile(nodeFiles, path, edited(text, changes));
      Object.assign(env, changes);
      isChanged = true;
    },
  };
}

function edited(text: string, changes: Changes): string {
  try {
    return editDotenv(text, changes);
  } catch (error) {
    if (error instanceof SettingError) throw new ExitError(ExitCode.configuration, error.message);
    throw error;
  }
}

function readAll(env: Readonly<Record<string, string | undefined>>): Config {
  const { config, problems } = parseConfig(env, 'files');
  if (config !== undefined) return config;
  throw new ExitError(
    ExitCode.configuration,
    problems.map((problem) => formatWarning(describeProblem(problem))).join('\n'),
  );
}

/** Prints a finding as `weighbridge doctor` does. */
export function sayFinding({ say }: Session, config: Config, finding: Finding): void {
  const mask = createMask(secretsIn(config));
  for (const line of describeFinding(finding, { mask, colour: false })) say(line);
}

/** The answer from an option or the person, without copied quotes. */
export async function answer(
  { questions }: Session,
  option: string,
  given: string | undefined,
  check: Check,
  ask: (questions: Questions, check: Check) => Promise<string>,
): Promise<string> {
  const checkBare: Check = (text) => check(withoutQuotes(text));
  if (given === undefined && questions !== undefined) return withoutQuotes(await ask(questions, checkBare));
  const problem = given === undefined ? 'required' : checkBare(given);
  if (problem !== undefined) throw new ExitError(ExitCode.usage, `${option}: ${problem}`);
  return withoutQuotes(given ?? '');
}

const QUOTES = `["'\`“”„‟‘’‚‛«»]`;
const QUOTES_AROUND = new RegExp(`^${QUOTES}+|${QUOTES}+$`, 'g');

function withoutQuotes(text: string): string {
  return text.trim().replace(QUOTES_AROUND, '').trim();
}

/** Checks a setting as it would be read from `.env`. */
export function checkSetting(name: string, toValue: (text: string) => string = (text) => text): Check {
  return (text) => {
    const { problems } = parseConfig({ [name]: toValue(text) }, 'files');
    return text === '' ? 'expected a value' : problems.find((each) => each.name === name)?.message;
  };
}
