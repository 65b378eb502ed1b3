import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Program, type ProgramOptions, startProgram } from './program.ts';

/** The configuration of an image in Docker's form, because the OCI form has no health check. */
export interface ImageConfig {
  readonly User: string;
  readonly WorkingDir: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Healthcheck: { readonly Test: readonly string[] };
  readonly Labels: Readonly<Record<string, string>>;
}

export interface Image {
  /** The root directory, unpacked. */
  readonly root: string;
  readonly config: ImageConfig;
  /** The size in megabytes: unpacked, and compressed as in a registry. */
  readonly megabytes: { readonly unpacked: number; readonly compressed: number };
}

/** Runs a command at a low priority, and returns its output. */
function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('nice', ['-n', '10', command, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} has failed:\n${stdout}${stderr}`.slice(-4000));
  return stdout.trim();
}

const BASE = 'localhost/weighbridge-base';
export const IMAGE = 'localhost/weighbridge';

/** Opens a builder of images without a container engine, with a store of its own. */
export function openBuildah(store: string) {
  const places = ['--root', join(store, 'images'), '--runroot', join(store, 'run')];
  const buildah = (...args: readonly string[]) => run('buildah', '--storage-driver', 'vfs', ...places, ...args);

  return {
    /** Makes a base image of a root directory. */
    importBase(root: string): void {
      const container = buildah('from', 'scratch');
      run('cp', '-a', `${root}/.`, buildah('mount', container));
      buildah('commit', '--quiet', '--rm', container, BASE);
    },
    build(context: string, { base = BASE, image = IMAGE } = {}): void {
      const file = ['--file', join(context, 'Containerfile')];
      const flags = ['--isolation', 'chroot', '--format', 'docker', '--layers=false', '--build-arg', `BASE=${base}`];
      buildah('build', ...flags, ...file, '--tag', image, context);
    },
    open(image = IMAGE): Image {
      const { Docker } = JSON.parse(buildah('inspect', '--type', 'image', image));
      const root = buildah('mount', buildah('from', image));
      const archive = join(store, 'image.tar');
      buildah('push', '--quiet', image, `oci-archive:${archive}`);
      const size = (path: string) => Number(run('du', '-s', '-B', '1000000', path).split('\t')[0]);
      return { root, config: Docker.config, megabytes: { unpacked: size(root), compressed: size(archive) } };
    },
  };
}

export interface ContainerOptions {
  readonly image: Image;
  /** The folder that is mounted. */
  readonly folder: string;
  /** The user as `UID:GID`, like `--user`. */
  readonly user: string;
  /** The container keeps the default capabilities that an engine gives to root. */
  readonly keepsRights?: boolean;
  /** The variables besides the environment of the image. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Container extends Program {
  /** Starts another program in the container, as `exec` does. */
  exec(command: readonly string[]): Program;
  signal(name: NodeJS.Signals): void;
}

/** The capabilities that Docker leaves to root. */
const ENGINE_CAPABILITIES = [
  ...['+chown', '+dac_override', '+fowner', '+fsetid', '+kill', '+setgid', '+setuid', '+setpcap'],
  ...['+net_bind_service', '+net_raw', '+sys_chroot', '+mknod', '+audit_write', '+setfcap'],
];

/**
 * Starts as an engine does with `read_only`, `cap_drop: ALL`, `no-new-privileges` and a `tmpfs`, in the host network.
 */
const START = `set -eu
root=$1 folder=$2 target=$3; shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmp "$root/tmp"
mount --bind /dev "$root/dev"
mount --bind "$folder" "$root$target"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"`;

/** Starts an image with its entry point in namespaces of its own. */
export async function startContainer(options: ContainerOptions, args?: readonly string[]): Promise<Container> {
  const { image, folder } = options;
  const { Entrypoint, Cmd, WorkingDir } = image.config;
  const program: ProgramOptions = {
    cwd: '/',
    within: [
      ...['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', START],
      ...['sh', image.root, folder, WorkingDir, ...asUser(options), ...Entrypoint],
    ],
  };
  const started = startProgram(args ?? Cmd, program);
  const pid = await firstChildOf(started);
  return {
    ...started,
    exec: (command) =>
      startProgram([], {
        cwd: '/',
        within: ['nsenter', '--target', `${pid}`, '--mount', '--pid', '--root', ...asUser(options), ...command],
      }),
    signal: (name) => void process.kill(pid, name),
  };
}

/** Runs with the rights, the environment and the directory of a program in the container. */
function asUser({ image, user, env, keepsRights = false }: ContainerOptions): readonly string[] {
  const [uid = '', gid = ''] = user.split(':');
  const { Env, WorkingDir } = image.config;
  const isKnown = readFileSync(join(image.root, 'etc/passwd'), 'utf8').includes(`:x:${uid}:`);
  const variables = [
    ...Env,
    `HOME=${isKnown ? WorkingDir : '/'}`,
    ...Object.entries(env).map((each) => each.join('=')),
  ];
  const bounding = ['-all', ...(keepsRights ? ENGINE_CAPABILITIES : [])].join(',');
  const rights = ['--clear-groups', '--inh-caps=-all', `--bounding-set=${bounding}`];
  if (!keepsRights) rights.push('--no-new-privs');
  return [
    ...['/usr/bin/setpriv', `--reuid=${uid}`, `--regid=${gid}`, ...rights],
    ...['/usr/bin/env', '-i', '-C', WorkingDir, ...variables],
  ];
}

async function firstChildOf({ child, exited }: Program): Promise<number> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the container has ended: ${(await exited).stderr}`);
    const path = `/proc/${child.pid}/task/${child.pid}/children`;
    const [pid = ''] = existsSync(path) ? readFileSync(path, 'utf8').split(' ') : [];
    if (pid !== '') return Number(pid);
    await sleep(10);
  }
}
