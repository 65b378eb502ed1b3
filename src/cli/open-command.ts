import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Config, formatProblem, formatWarning, isForSetup, parseConfig } from '../config/config.ts';
import { createCore, type WithingsConfig } from '../daemon/core.ts';
import { LOCAL_ZONE } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { secretsOfUrl } from '../domain/secrets.ts';
import type { TokenStore, UserId } from '../domain/token.ts';
import { createLogger } from '../runtime/logger.ts';
import { realClock } from '../runtime/real-clock.ts';
import { isMissing } from '../storage/files.ts';
import { createTokenFiles } from '../storage/token-files.ts';
import { ExitCode, ExitError, readUserId, type Shell } from './shell.ts';

/** Reads the settings. Prints all their problems, and ends the command if there are any. */
export function readSettings(shell: Shell, needs: 'withings' | 'files'): Config {
  if (shell.service === 'outside')
    shell.say('note: weighbridge is running here as a service. To use its data, run "sudo weighbridge …".');
  const { config, problems, warnings } = parseConfig(shell.env, needs, shell.written);
  for (const warning of warnings) shell.say(`warning: ${formatWarning(warning)}`);
  for (const problem of problems) shell.say(`error: ${formatProblem(problem)}`);
  if (problems.length > 0) shell.say(`Settings read from: ${['environment', ...shell.settingsFiles].join(', ')}`);
  if (problems.length > 0 && shell.homeAssistant !== undefined) {
    shell.say('The settings are the options of the app. In Home Assistant, open the app and its tab "Configuration".');
  } else if (problems.some(isForSetup)) {
    sayIfNoDotenv(shell);
    shell.say('Run "weighbridge setup". It asks for everything, and writes the settings to .env.');
    shell.say('Withings gives you the client id and secret: https://developer.withings.com/dashboard');
    shell.say(`All settings: ${fileURLToPath(new URL('.env.example', shell.files.manifest))}`);
    shell.say('To try weighbridge without an account, run "weighbridge demo".');
  }
  if (config === undefined) throw new ExitError(ExitCode.configuration);
  return config;
}

/** Settings that suffice for calls to Withings. */
export function readWithingsSettings(shell: Shell): WithingsConfig {
  const config = readSettings(shell, 'withings');
  const { credentials } = config.withings;
  if (credentials === undefined)
    throw new ExitError(ExitCode.configuration, 'WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET are required');
  return { ...config, withings: { ...config.withings, credentials } };
}

/** The parts of a command that works once and ends. It logs to standard error. */
export function openCommand(shell: Shell) {
  const config = readWithingsSettings(shell);
  const log = openMessages(shell, config);
  return { config, log, core: createCore(config, log, { clock: realClock, signal: shell.signal }) };
}

/** Settings come from a file in nearly every set-up, so without one the folder may be the wrong one. */
export function sayIfNoDotenv({ settingsFiles, homeAssistant, say }: Shell): void {
  if (settingsFiles.length > 0 || homeAssistant !== undefined) return;
  say('There is no .env in this folder. Run weighbridge in your folder, or with sudo if it is a service.');
}

export const NO_PERSON = 'No person is linked yet. Run "weighbridge login".';

/** The user in the argument, or all linked people without one. */
export async function readPeople(
  shell: Shell,
  tokens: TokenStore,
  argument: string | undefined,
): Promise<readonly UserId[]> {
  const linked = (await tokens.list()).sort((one, other) => Number(one) - Number(other));
  if (argument === undefined) {
    if (linked.length === 0) shell.say(NO_PERSON);
    return linked;
  }
  const userId = readUserId(argument);
  if (!linked.includes(userId)) throw notLinked(userId, linked);
  return [userId];
}

/** The linked people, by the files of their logins. Before the first start there is no directory, which is not an error. */
export async function listLinked(directory: string): Promise<UserId[]> {
  try {
    await stat(directory);
  } catch (error) {
    if (isMissing(error)) return [];
  }
  return await createTokenFiles(directory).list();
}

/** The error about a person without a login. */
export function notLinked(userId: UserId, linked: readonly UserId[]): ExitError {
  const known = linked.length === 0 ? 'no person is' : `linked: ${linked.join(', ')}`;
  return new ExitError(ExitCode.failed, `user ${userId} is not linked (${known}). Run "weighbridge login".`);
}

/** The log of a long-running command, on standard output. */
export function openLog(shell: Shell, config: Config): Log {
  return createLogger({
    ...config.log,
    clock: realClock,
    write: shell.print,
    secrets: secretsIn(config),
    colour: shell.colour,
    isJournalled: shell.isJournalled,
    timeZone: LOCAL_ZONE,
  });
}

/** The log of a command that works once and ends, on standard error. */
export function openMessages(shell: Shell, config: Config): Log {
  return openLog({ ...shell, print: shell.say, colour: false, isJournalled: false }, config);
}

/** A shorter password would occur in many lines by chance, as `kg` or `1234` do. */
const SHORTEST_PASSWORD = 6;

/** The texts that a command must never print. */
export function secretsIn({ withings, callback, status, mqtt }: Config): readonly string[] {
  const passwords = [withings.credentials?.clientSecret, status.password, mqtt?.password];
  const url = new URL(callback.url ?? 'https://localhost');
  const long = passwords.filter((each) => each !== undefined).filter((each) => each.length >= SHORTEST_PASSWORD);
  // If a proxy rewrites the path, the new path may contain its own secret.
  const asItArrives = Object.assign(new URL(url), { pathname: callback.path });
  return [...long, ...[url, asItArrives].flatMap(secretsOfUrl)];
}
