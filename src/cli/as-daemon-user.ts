import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { parseConfig } from '../config/config.ts';
import { mergeSources, readCredentials, type Source } from '../config/sources.ts';
import { ENVIRONMENT_IN_STATE, SERVICE } from '../systemd/paths.ts';
import { ExitCode, type Run, type Shell } from './shell.ts';

/** The operations of the process. */
export interface Host {
  readonly environment: Record<string, string | undefined>;
  /** The arguments with which Node runs this command: its own, the script and the script's. */
  readonly nodeArguments: readonly string[];
  readonly chdir: (path: string) => void;
  /** Not for Ctrl-C: the terminal sends that to both processes, and a second signal would end them at once. */
  readonly onTerminate: (listener: () => void) => void;
}

/** Runs a command that works on a daemon's files. For root, it runs as the owner of the files. */
export async function runAsDaemonUser(shell: Shell, command: Run, host: Host): Promise<ExitCode> {
  const at = handedOver(shell, host) ?? beside(shell, host);
  const owner = ownerBeside(at);
  return owner === undefined ? await command(at) : await handOver(at, owner, host);
}

/** The shell of a command that runs next to a daemon: for the current folder, or for root with the service's set-up. */
function beside(shell: Shell, { environment, chdir }: Host): Shell {
  if (!existsSync(SERVICE.unit) || existsSync('.env')) return shell;
  if (!shell.isRoot) return existsSync('tokens') ? shell : { ...shell, service: 'outside' };
  chdir(SERVICE.state);
  const written: readonly Source[] = [ENVIRONMENT_IN_STATE, ...readCredentials(SERVICE.settings, shell.say)];
  return {
    ...shell,
    env: mergeSources(environment, ...written),
    written: written.flatMap((source) => Object.keys(source)),
    settingsFiles: [SERVICE.env],
    service: 'inside',
  };
}

/** The descriptor on which root passes the settings, because the daemon's user may not read their file. */
const HANDED_OVER = 'WEIGHBRIDGE_HANDED_OVER';

type HandedOver = Pick<Shell, 'env' | 'written' | 'settingsFiles'> & Partial<Pick<Shell, 'service'>>;

/** Runs this command in a process of the owner. */
async function handOver(shell: Shell, owner: Owner, host: Host): Promise<ExitCode> {
  const { env, written, settingsFiles, service, program } = shell;
  const { uid, gid } = owner;
  const child = spawn(program.node, host.nodeArguments, {
    uid,
    gid,
    env: { ...host.environment, [HANDED_OVER]: '3' },
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  host.onTerminate(() => child.kill('SIGTERM'));
  const settings: HandedOver = { env, written, settingsFiles, ...(service && { service }) };
  const [, , , pipe] = child.stdio;
  if (pipe instanceof Writable) pipe.on('error', () => undefined).end(JSON.stringify(settings));
  const [code] = await once(child, 'close');
  return Object.values(ExitCode).find((each) => each === code) ?? ExitCode.failed;
}

function handedOver(shell: Shell, { environment }: Host): Shell | undefined {
  const { [HANDED_OVER]: descriptor } = environment;
  delete environment[HANDED_OVER];
  if (descriptor === undefined || shell.isRoot) return undefined;
  const settings: HandedOver = JSON.parse(readFileSync(Number(descriptor), 'utf8'));
  return { ...shell, ...settings };
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user that a command must run as, if root started it and the files belong to another user. A login that root
 * rotated would be in a file that the daemon's user cannot read.
 */
function ownerBeside({ env, isRoot }: Pick<Shell, 'env' | 'isRoot'>): Owner | undefined {
  if (!isRoot) return undefined;
  const owner = ownerOf(parseConfig(env, 'files').readable.directories.tokens);
  return owner.uid === 0 ? undefined : owner;
}

/** The owner of the directory, or of the parent of a missing one. */
function ownerOf(path: string): Owner {
  return statSync(path, { throwIfNoEntry: false }) ?? ownerOf(dirname(path));
}
