import { constants } from 'node:fs';
import { access, chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { formatWarning, type Parsed, parseConfig } from '../../config/config.ts';
import { mergeSources, secretCredentials } from '../../config/sources.ts';
import { readManifest } from '../../runtime/version.ts';
import { isMissing, nodeFiles, replaceFile } from '../../storage/files.ts';
import { askService, lastLines, systemdVersion } from '../../systemd/control.ts';
import { ENV_CREDENTIAL, SERVICE_NAME } from '../../systemd/paths.ts';
import { seal, writeUnit } from '../../systemd/unit.ts';
import { ExitCode, type Shell } from '../shell.ts';
import { changedUnit, cronNotes, downgrade, faults, hiddenProgram, isRunning } from './checks.ts';
import { planMoves } from './move.ts';
import { showService } from './status.ts';
import { carryOut, type InstalledUnit, type Machine, readUnit, type Step, systemctl, THIS_MACHINE } from './steps.ts';

/**
 * Makes a systemd service of the set-up in this folder: settings, logins and measurements move to the directories of
 * the service. If they are already there, only the unit is updated. The command can run any number of times.
 */
export async function installService(
  shell: Shell,
  options: InstallOptions,
  machine: Machine = THIS_MACHINE,
): Promise<ExitCode> {
  const { unit, version, before, obstacles, notes, steps } = await planInstall(shell, machine, options);
  for (const { text } of obstacles) shell.say(options.dryRun ? `would refuse: ${text}` : `error: ${text}`);
  const [obstacle] = obstacles;
  if (obstacle !== undefined && !options.dryRun) return obstacle.code;
  for (const note of notes) shell.say(note);
  const code = await carryOut(shell, steps, options);
  if (options.dryRun) {
    shell.print(unit.trimEnd());
    return code;
  }
  if (code === ExitCode.done) {
    const was = before === undefined ? '' : ` (before: ${before.version ?? 'unknown version'})`;
    shell.print(`weighbridge ${version} is running${was}`);
    return await showService(shell, machine);
  }
  if (shell.isRoot) for (const line of await lastLines(machine.run)) shell.say(`  ${line}`);
  return code;
}

export interface InstallOptions {
  readonly dryRun?: boolean;
  /** Replaces the unit even if a newer version installed it. */
  readonly force?: boolean;
}

interface Plan {
  readonly unit: string;
  /** The version of this program. */
  readonly version: string;
  /** The existing unit. */
  readonly before: InstalledUnit | undefined;
  /** The reasons not to change anything. A dry run continues in spite of them. */
  readonly obstacles: readonly Obstacle[];
  readonly notes: readonly string[];
  readonly steps: readonly Step[];
}

interface Obstacle {
  readonly text: string;
  readonly code: ExitCode;
}

async function planInstall(shell: Shell, machine: Machine, { force }: InstallOptions): Promise<Plan> {
  const { paths, run } = machine;
  const systemd = await systemdVersion(run);
  const { version } = readManifest(shell.files);
  const before = await readUnit(machine);
  const settings = await readServiceSettings(shell, machine);
  const { source = resolve(machine.folder, '.env'), parsed } = settings ?? {};
  const state = await askService(run);
  const runsByHand =
    state?.activity !== 'active' && parsed?.config !== undefined && (await isRunning(parsed.config)) ? [RUNNING] : [];
  const obstacles = [
    ...as(ExitCode.failed, systemd === undefined ? [NO_SYSTEMD] : []),
    ...as(ExitCode.failed, await hiddenProgram(shell)),
    ...as(ExitCode.failed, changedUnit(machine, before)),
    ...as(ExitCode.failed, force ? [] : downgrade(version, before)),
    ...as(ExitCode.configuration, settings === undefined ? [NO_SETTINGS] : []),
    ...as(ExitCode.configuration, parsed === undefined ? [] : faults(parsed)),
    ...as(ExitCode.failed, runsByHand),
  ];

  const moves = await planMoves(shell, machine);
  const unit = seal(writeUnit({ program: shell.program, systemd: systemd ?? 0 }), version);
  const unitName = `${SERVICE_NAME}.service`;
  const stop = { text: 'stop weighbridge', run: () => systemctl(run, 'stop', unitName) };
  const steps: readonly Step[] = [
    ...(state?.isInstalled && moves.steps.length > 0 ? [stop] : []),
    ...moves.steps,
    // This comes after the moves: the settings name the directories of the files, even after an interrupted move.
    ...(source === paths.env || settings === undefined ? [] : [moveSettings(source, paths.env)]),
    { text: `write ${paths.unit}`, run: () => writePublic(paths.unit, unit) },
    { text: 'reload systemd', run: () => systemctl(run, 'daemon-reload') },
    { text: 'enable start at boot', run: () => systemctl(run, 'enable', unitName) },
    { text: 'start weighbridge, and wait until it listens', run: () => systemctl(run, 'restart', unitName) },
  ];
  const notes = [
    ...(settings !== undefined && parsed === undefined
      ? [`note: only root can read ${source}, so it was not checked`]
      : []),
    ...(parsed?.warnings ?? []).map((warning) => `warning: ${formatWarning(warning)}`),
    ...[...otherSettings(shell, machine, source), ...moves.notes, ...(await cronNotes(shell, machine))].map(
      (note) => `note: ${note}`,
    ),
  ];
  return { unit, version, before, obstacles, notes, steps };
}

const as = (code: ExitCode, texts: readonly string[]): readonly Obstacle[] => texts.map((text) => ({ text, code }));

const NO_SYSTEMD = 'systemd is not available on this machine. Use cron instead: see docs/service.md.';
const NO_SETTINGS =
  'this folder has no settings. Run "weighbridge setup", or write the file .env (see docs/getting-started.md).';
const RUNNING = 'weighbridge is already running here. Stop it first: two must not use the same login.';

/** The service keeps its settings, although the folder's may be newer. */
function otherSettings(shell: Shell, { paths, folder }: Machine, source: string): readonly string[] {
  if (source !== paths.env) return [];
  const path = resolve(folder, '.env');
  const [here, there] = [shell.readDotenv(path), shell.readDotenv(paths.env)];
  const names = Object.keys(here).filter((name) => here[name] !== there[name]);
  if (names.length === 0 || Object.keys(there).length === 0) return [];
  return [
    `${path} differs from ${paths.env} in ${names.join(', ')}. The service uses ${paths.env}. Change that file, and remove ${path}.`,
  ];
}

interface ServiceSettings {
  /** The file of the settings. */
  readonly source: string;
  /** Undefined if this user may not read them. */
  readonly parsed: Parsed | undefined;
}

/** The settings of the service if it has any; otherwise those of this folder. */
async function readServiceSettings(shell: Shell, { paths, folder }: Machine): Promise<ServiceSettings | undefined> {
  const names: readonly string[] = await readdir(paths.settings).catch(() => []);
  const source = names.includes(ENV_CREDENTIAL) ? paths.env : resolve(folder, '.env');
  try {
    await access(source, constants.R_OK);
  } catch (error) {
    return isMissing(error) ? undefined : { source, parsed: undefined };
  }
  const env = mergeSources(secretCredentials(paths.settings, names), shell.readDotenv(source));
  return { source, parsed: parseConfig(env, 'withings', Object.keys(env)) };
}

function moveSettings(from: string, to: string): Step {
  return {
    text: `move the settings from ${from} to ${to}, readable only by root`,
    async run() {
      await mkdir(dirname(to), { recursive: true, mode: 0o755 });
      await replaceFile(nodeFiles, to, await readFile(from, 'utf8'));
      await rm(from);
    },
  };
}

async function writePublic(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await replaceFile(nodeFiles, path, text);
  await chmod(path, 0o644);
}
