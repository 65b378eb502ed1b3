import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import type { HookConfig, MqttConfig } from '../config/config.ts';
import { asTrouble, errorCode, Trouble } from '../domain/trouble.ts';
import { broken, type Finding, findingOf, ok, TIMEOUT_MS } from './finding.ts';

/**
 * Whether the broker of `MQTT_URL` accepts a connection; nothing is published. The client id is another than the
 * daemon's, because a broker ends the connection of a client with the same id.
 */
export async function checkBroker(
  { url, username, password, caFile }: MqttConfig,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Finding> {
  const { connectEither } = await import('../publishers/mqtt/connection.ts');
  const clientId = `weighbridgedoctor${randomBytes(3).toString('hex')}`;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const broker = { url, username, password, caFile, clientId, will: undefined };
    const connection = await connectEither(broker, 5, patience);
    await connection.close();
    const version = connection.version === 5 ? '5' : '3.1.1';
    return ok('mqtt', `the MQTT broker ${url.host} lets weighbridge in (MQTT ${version})`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Trouble || !patience.aborted) return findingOf('mqtt', asTrouble(error));
    const remedy = 'compare MQTT_URL: is that machine on, is the port right, and is there a firewall?';
    return broken('mqtt', `the MQTT broker ${url.host} does not answer within ${timeoutMs / 1000} s`, remedy);
  }
}

/** Whether the program of `HOOK_COMMAND` can be run: the path it is, or the first of that name in `PATH`. */
export async function checkHook({ command: [program = ''], environment }: HookConfig): Promise<Finding> {
  const directories = (environment['PATH'] ?? '').split(':').map((directory) => directory || '.');
  const paths = isPath(program) ? [program] : directories.map((directory) => `${directory}/${program}`);
  const states = await Promise.all(paths.map(stateOf));
  if (states.includes('runnable')) return ok('hook', `${program} can be run`);
  if (states.includes('other')) {
    const remedy = `"chmod +x" it, if it is a program, and look who may read its directory`;
    return broken('hook', `HOOK_COMMAND begins with ${program}, which is no program that this user may run`, remedy);
  }
  const where = isPath(program) ? 'does not exist' : 'is not in PATH';
  const remedy = 'begin it with the path of the program; a relative one counts from the folder weighbridge starts in';
  return broken('hook', `HOOK_COMMAND begins with ${program}, which ${where}`, remedy);
}

/** As execvp(3) sees it: a name without a slash is looked up in `PATH`, at every run anew. */
export function isPath(program: string): boolean {
  return program.includes('/');
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
