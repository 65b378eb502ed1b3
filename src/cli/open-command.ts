import { type Config, formatProblem, formatWarning, parseConfig } from '../config/config.ts';
import { type Core, createCore, type WithingsConfig } from '../daemon/core.ts';
import { LOCAL_ZONE } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { createLogger } from '../runtime/logger.ts';
import { realClock } from '../runtime/real-clock.ts';
import type { Shell } from './shell.ts';

/** Reads the settings; says everything that is wrong with them and returns nothing when something is. */
export function readSettings(shell: Shell, needs: 'withings' | 'files'): Config | undefined {
  const { config, problems, warnings } = parseConfig(shell.env, needs, shell.written);
  for (const warning of warnings) shell.say(`warning: ${formatWarning(warning)}`);
  for (const problem of problems) shell.say(`error: ${formatProblem(problem)}`);
  if (problems.some((problem) => problem.got === undefined)) {
    shell.say('The client id and secret come with an application at https://developer.withings.com/dashboard.');
    shell.say('Put settings into the environment or a file named .env; .env.example explains them all.');
    shell.say('"weighbridge demo" shows everything at work without any of them.');
  }
  return config;
}

/** The same for a command that works on the files of a daemon, beside it. */
export function readSettingsBeside(shell: Shell, needs: 'withings' | 'files'): Config | undefined {
  if (shell.service === 'outside')
    shell.say('note: a weighbridge runs here as a service; "sudo weighbridge …" works on that one');
  return readSettings(shell, needs);
}

/** Settings with which Withings can be asked, as `read` reads them. */
export function readWithingsSettings(shell: Shell, read = readSettings): WithingsConfig | undefined {
  const config = read(shell, 'withings');
  const credentials = config?.withings.credentials;
  return config && credentials && { ...config, withings: { ...config.withings, credentials } };
}

/** What a command is made of that works once and ends; what it logs goes to standard error. */
export function openCommand(
  shell: Shell,
): { readonly config: WithingsConfig; readonly core: Core; readonly log: Log } | undefined {
  const config = readWithingsSettings(shell, readSettingsBeside);
  if (config === undefined) return undefined;
  const log = openMessages(shell, config);
  return { config, log, core: createCore(config, log, { clock: realClock, signal: shell.signal }) };
}

/** The part of the route that the documentation names. Whatever else stands in the path may be the secret. */
const ROUTE = 'withingsWebhook';

/** The log of a command that runs for long, on standard output. */
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

/** What a command must never print. */
export function secretsIn({ withings, callback, status, mqtt }: Config): readonly string[] {
  const paths = [callback.path, callback.url === undefined ? '' : new URL(callback.url).pathname];
  const parts = paths.flatMap((path) => path.split('/')).filter((part) => part !== ROUTE);
  const passwords = [withings.credentials?.clientSecret, status.password, mqtt?.password];
  return [...passwords.filter((each) => each !== undefined), ...callback.query.values(), ...parts];
}
