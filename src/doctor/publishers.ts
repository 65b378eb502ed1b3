import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { suggest } from '../config/checks.ts';
import type { HookConfig, MqttConfig } from '../config/config.ts';
import { asTrouble, errorCode, Trouble } from '../domain/trouble.ts';
import { broken, type Finding, findingOf, ok, TIMEOUT_MS, warning } from './finding.ts';

/** Whether the broker of `MQTT_URL` accepts a connection and everything that the daemon publishes. */
export async function checkBroker(
  { url, username, password, caFile, certFile, keyFile, ...topics }: MqttConfig,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<readonly Finding[]> {
  const { tryBroker } = await import('../publishers/mqtt/trial.ts');
  const patience = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const host = `the MQTT broker ${url.host}`;
  try {
    const broker = { url, username, password, caFile, certFile, keyFile };
    const { version, refusals, limits } = await tryBroker(broker, topics, patience);
    const inWords = `${host} accepts weighbridge (MQTT ${version === 5 ? '5' : '3.1.1'})`;
    return [
      ...(refusals.length === 0 ? [ok('mqtt', `${inWords} and its messages`)] : []),
      ...refusals.map((trouble) => findingOf('mqtt', trouble)),
      ...limits.map(({ message, hint = '' }) => warning('mqtt', message, hint)),
    ];
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Trouble || !patience.aborted) return [findingOf('mqtt', asTrouble(error))];
    const remedy = 'Check host and port in MQTT_URL, and the firewall.';
    return [broken('mqtt', `${host} does not answer within ${timeoutMs / 1000} s`, remedy)];
  }
}

/** Whether the program of `HOOK_COMMAND` can be run: by its path, or as the first of that name in `PATH`. */
export async function checkHook({ command: [program = ''], environment }: HookConfig): Promise<Finding> {
  const directories = (environment['PATH'] ?? '').split(':').map((directory) => directory || '.');
  const paths = isPath(program) ? [program] : directories.map((directory) => `${directory}/${program}`);
  const states = await Promise.all(paths.map(stateOf));
  if (states.includes('runnable')) return ok('hook', `${program} can be run`);
  if (states.includes('other')) {
    const remedy = `If it is a program, run "chmod +x" on it. This user must be able to read its directory.`;
    return broken('hook', `HOOK_COMMAND starts with ${program}, which this user cannot run`, remedy);
  }
  const known = isPath(program) ? [] : await Promise.all(directories.map(namesIn));
  const where = isPath(program) ? 'does not exist' : 'is not in PATH';
  const remedy =
    suggest(program, known.flat()) ??
    'Start HOOK_COMMAND with the path of the program. A relative path starts in the folder of weighbridge.';
  return broken('hook', `HOOK_COMMAND starts with ${program}, which ${where}`, remedy);
}

/** The rule of execvp(3): a name without a slash is looked up in `PATH` at every run. */
export function isPath(program: string): boolean {
  return program.includes('/');
}

/** The names in a directory of `PATH`, which may be missing. */
async function namesIn(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch(() => []);
}

async function stateOf(path: string): Promise<'runnable' | 'other' | 'missing'> {
  try {
    if (!(await stat(path)).isFile()) return 'other';
    await access(path, constants.X_OK);
    return 'runnable';
  } catch (error) {
    const code = errorCode(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'other';
  }
}
