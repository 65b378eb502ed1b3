import { constants } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Config, formatProblem, type Parsed } from '../../config/config.ts';
import { createProof, localCallbackUrl, probeCallback } from '../../http/probe.ts';
import type { Shell } from '../shell.ts';
import type { ServiceWorld } from './status.ts';
import { readUnit } from './steps.ts';

/** What the sandbox of the unit hides. */
const HIDDEN = ['/home', '/root', '/run/user', '/tmp', '/var/tmp'];

/** What is wrong with the settings, or would be inside of the service. */
export function faults({ problems, readable }: Parsed): readonly string[] {
  const { hook, mqtt } = readable;
  const [program = '', ...args] = hook?.command ?? [];
  const isLost = (path: string) => path.includes('/') && (!path.startsWith('/') || isHidden(path));
  const lost = [
    ...[program, ...args.filter(isHidden)].filter(isLost).map((path) => ['HOOK_COMMAND', path]),
    ...[mqtt?.caFile ?? '']
      .filter((path) => path !== '' && (isLost(path) || !path.includes('/')))
      .map((path) => ['MQTT_CA_FILE', path]),
  ];
  return [
    ...problems.map(formatProblem),
    ...lost.map(
      ([name, path]) =>
        `${name}: the service cannot see ${path}; put it somewhere else, such as /usr/local/lib, and write its whole path`,
    ),
  ];
}

function isHidden(path: string): boolean {
  return HIDDEN.some((directory) => path === directory || path.startsWith(`${directory}/`));
}

/** The service has a user and a view of its own: what is run must be there for everybody. */
export async function hiddenProgram({ program }: Shell): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [what, path] of Object.entries({ Node: program.node, weighbridge: program.script })) {
    const real = await realpath(path);
    const hidden = [path, real].find(isHidden);
    const closed = await firstClosed(real);
    if (hidden !== undefined) found.push(`${what} is in ${hidden}, which a service cannot see; ${INSTALL[what]}`);
    else if (closed !== undefined)
      found.push(`${what} is in ${real}, and ${closed} is not for everybody to read; ${INSTALL[what]}`);
  }
  return found;
}

const INSTALL: Readonly<Record<string, string>> = {
  Node: 'install one for everybody: "sudo apt install nodejs npm"',
  weighbridge: 'install it for everybody, in its folder: npm run pack && sudo npm install --global ./weighbridge-*.tgz',
};

async function firstClosed(path: string): Promise<string | undefined> {
  for (let at = path, needed = constants.S_IROTH; ; at = dirname(at), needed = constants.S_IXOTH) {
    if (((await stat(at)).mode & needed) === 0) return at;
    if (at === dirname(at)) return undefined;
  }
}

export async function foreignUnit({ paths }: ServiceWorld): Promise<readonly string[]> {
  const unit = await readUnit(paths);
  if (unit === undefined || unit.isSealed) return [];
  return [
    `${paths.unit} is not as it was written here, and is left alone; put your changes into "sudo systemctl edit weighbridge", and call "weighbridge service uninstall" first`,
  ];
}

export async function isRunning(config: Config): Promise<boolean> {
  const { credentials } = config.withings;
  if (credentials === undefined) return false;
  const url = localCallbackUrl({ ...config.listen, ...config.callback });
  return (await probeCallback(url, createProof(credentials.clientSecret))).isOurs;
}

/** Whoever began with cron has a line that would start a second one. */
export async function cronNotes({ env }: Shell, { run }: ServiceWorld): Promise<readonly string[]> {
  const user = env['SUDO_USER'];
  const { stdout } = await run('crontab', user === undefined ? ['-l'] : ['-u', user, '-l']);
  const line = stdout.split('\n').find((each) => /^\s*[^#\s].*(weighbridge|dist\/src\/main\.js)/.test(each));
  return line === undefined ? [] : [`cron starts weighbridge, too; take this line out ("crontab -e"): ${line.trim()}`];
}
