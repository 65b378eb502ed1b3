import { constants } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Config, describeProblem, formatWarning, type Parsed } from '../../config/config.ts';
import { createProof, localCallbackUrl, probeCallback } from '../../http/probe.ts';
import type { Shell } from '../shell.ts';
import type { InstalledUnit, Machine } from './steps.ts';

/** The directories that the sandbox of the unit hides. */
const HIDDEN = ['/home', '/root', '/run/user', '/tmp', '/var/tmp'];

/** The problems of the settings, and those that they would have inside the service. */
export function faults({ problems, readable }: Parsed): readonly string[] {
  const { hook, mqtt } = readable;
  const [program = '', ...args] = hook?.command ?? [];
  const isLost = (path: string) => !path.startsWith('/') || isHidden(path);
  const lost = {
    HOOK_COMMAND: [...[program].filter((path) => path.includes('/') && isLost(path)), ...args.filter(isHidden)],
    MQTT_CA_FILE: [mqtt?.caFile ?? ''].filter((path) => path !== '' && isLost(path)),
    MQTT_CERT_FILE: [mqtt?.certFile ?? ''].filter((path) => path !== '' && isLost(path)),
    MQTT_KEY_FILE: [mqtt?.keyFile ?? ''].filter((path) => path !== '' && isLost(path)),
  };
  const describe = (name: string, path: string) => {
    const [, ours] = /(?:^|\/)deploy\/hooks\/([a-z-]+\.sh)$/.exec(path) ?? [];
    const remedy =
      ours === undefined
        ? 'Move it, for example to /usr/local/lib, and set the whole path.'
        : `Set ${ours} without a path.`;
    return `${name}: the service cannot see ${path}. ${remedy}`;
  };
  return [
    ...problems.map((problem) => formatWarning(describeProblem(problem))),
    ...Object.entries(lost).flatMap(([name, paths]) => paths.map((path) => describe(name, path))),
  ];
}

function isHidden(path: string): boolean {
  return HIDDEN.some((directory) => path === directory || path.startsWith(`${directory}/`));
}

/** The service has its own user and view of the files, so every user must have access to the programs. */
export async function hiddenProgram({ program }: Shell): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [what, path] of Object.entries({ Node: program.node, weighbridge: program.script })) {
    const real = await realpath(path);
    const hidden = [path, real].find(isHidden);
    const closed = await firstClosed(real);
    if (hidden !== undefined) found.push(`${what} is in ${hidden}, which a service cannot see. ${INSTALL[what]}`);
    else if (closed !== undefined)
      found.push(`${what} is in ${real}, and ${closed} is not readable by all users. ${INSTALL[what]}`);
  }
  return found;
}

const INSTALL: Readonly<Record<string, string>> = {
  Node: 'Install Node for all users: sudo apt install --no-install-recommends nodejs npm',
  weighbridge:
    'Install weighbridge for all users: sudo npm install --global ./weighbridge.tgz (see docs/getting-started.md)',
};

async function firstClosed(path: string): Promise<string | undefined> {
  for (let at = path, needed = constants.S_IROTH; ; at = dirname(at), needed = constants.S_IXOTH) {
    if (((await stat(at)).mode & needed) === 0) return at;
    if (at === dirname(at)) return undefined;
  }
}

export function changedUnit({ paths }: Machine, unit: InstalledUnit | undefined): readonly string[] {
  if (unit === undefined || unit.isUnchanged) return [];
  return [
    `${paths.unit} was changed by hand, so it was left alone. Move the changes to "sudo systemctl edit weighbridge". Then run "weighbridge service uninstall", and install again.`,
  ];
}

/** An older version may not understand the files of a newer one. */
export function downgrade(own: string, unit: InstalledUnit | undefined): readonly string[] {
  if (unit?.version === undefined || !isOlder(own, unit.version)) return [];
  return [
    `the service is newer (${unit.version}) than this weighbridge (${own}). Install ${unit.version} or later. To go back to ${own}, add --force.`,
  ];
}

/** Compares in the order of semver: 0.9.0, 0.10.0-rc.1, 0.10.0. */
function isOlder(one: string, other: string): boolean {
  const [version = '', stage] = split(one);
  const [otherVersion = '', otherStage] = split(other);
  const order = compare(version, otherVersion);
  if (order !== 0 || stage === undefined) return order < 0;
  return otherStage === undefined || compare(stage, otherStage) < 0;
}

const split = (version: string) => version.replace(/\+.*/, '').split(/-(.*)/, 2);
const compare = (one: string, other: string) => one.localeCompare(other, 'en', { numeric: true });

export async function isRunning(config: Config): Promise<boolean> {
  const { credentials } = config.withings;
  if (credentials === undefined) return false;
  const url = localCallbackUrl({ ...config.listen, ...config.callback });
  return (await probeCallback(url, createProof(credentials.clientSecret))).isOurs;
}

/** A line of a crontab that runs weighbridge, in a folder of any name. A comment does not count. */
const CRON_LINE = /^\s*[^#\s].*(weighbridge|dist\/(bundle|src)\/main\.js)/;

/** A set-up that began with cron has a line that would start a second weighbridge. */
export async function cronNotes({ env }: Shell, { run }: Machine): Promise<readonly string[]> {
  const user = env['SUDO_USER'];
  const { stdout } = await run('crontab', user === undefined ? ['-l'] : ['-u', user, '-l']);
  const line = stdout.split('\n').find((each) => CRON_LINE.test(each));
  return line === undefined ? [] : [`cron starts weighbridge too. Remove this line with "crontab -e": ${line.trim()}`];
}
