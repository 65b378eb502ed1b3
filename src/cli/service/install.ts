import { constants } from 'node:fs';
import { access, chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { formatWarning, type Parsed, parseConfig } from '../../config/config.ts';
import { mergeSources, secretCredentials } from '../../config/sources.ts';
import { isMissing, nodeFiles, replaceFile } from '../../storage/files.ts';
import { askService, lastLines, systemdVersion } from '../../systemd/control.ts';
import { ENV_CREDENTIAL, SERVICE_NAME } from '../../systemd/paths.ts';
import { seal, writeUnit } from '../../systemd/unit.ts';
import { ExitCode, type Shell } from '../shell.ts';
import { changedUnit, cronNotes, faults, hiddenProgram, isRunning } from './checks.ts';
import { planMoves } from './move.ts';
import { showService } from './status.ts';
import { carryOut, type Machine, type Step, systemctl, THIS_MACHINE } from './steps.ts';

/**
 * Makes a systemd service of the set-up in this folder: settings, logins and measurements move to the directories of the
 * service. Where they are there already, only the unit is updated. It can be called any number of times.
 */
export async function installService(
  shell: Shell,
  options: { readonly dryRun?: boolean },
  machine: Machine = THIS_MACHINE,
): Promise<ExitCode> {
  const plan = await planInstall(shell, machine);
  if ('obstacles' in plan) {
    for (const each of plan.obstacles) shell.say(`error: ${each}`);
    return plan.code;
  }
  for (const note of plan.notes) shell.say(note);
  const code = await carryOut(shell, plan.steps, options);
  if (options.dryRun) {
    shell.print(plan.unit.trimEnd());
    return code;
  }
  if (code === ExitCode.done) return await showService(shell, machine);
  if (shell.isRoot) for (const line of await lastLines(machine.run)) shell.say(`  ${line}`);
  return code;
}

interface Plan {
  readonly unit: string;
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}

interface Refusal {
  readonly obstacles: readonly string[];
  readonly code: ExitCode;
}

async function planInstall(shell: Shell, machine: Machine): Promise<Plan | Refusal> {
  const { paths, run } = machine;
  const failed = (...obstacles: readonly string[]) => ({ obstacles, code: ExitCode.failed });
  const systemd = await systemdVersion(run);
  if (systemd === undefined) return failed('there is no systemd on this machine; README.md has the way with cron');
  const obstacles = [...(await hiddenProgram(shell)), ...(await changedUnit(machine))];
  if (obstacles.length > 0) return failed(...obstacles);
  const settings = await readServiceSettings(shell, machine);
  if (settings === undefined) return { obstacles: [NO_SETTINGS], code: ExitCode.configuration };
  const { source, parsed } = settings;
  const wrong = parsed === undefined ? [] : faults(parsed);
  if (wrong.length > 0) return { obstacles: wrong, code: ExitCode.configuration };
  const state = await askService(run);
  const isActive = state?.activity === 'active';
  if (!isActive && parsed?.config !== undefined && (await isRunning(parsed.config))) return failed(RUNNING);

  const moves = await planMoves(shell, machine);
  const unit = seal(writeUnit({ program: shell.program, systemd }));
  const unitName = `${SERVICE_NAME}.service`;
  const stop = { text: 'stop weighbridge', run: () => systemctl(run, 'stop', unitName) };
  const steps: readonly Step[] = [
    ...(state?.isInstalled && moves.steps.length > 0 ? [stop] : []),
    ...moves.steps,
    // After the moves: the settings say where the files are, also where a move was cut off.
    ...(source === paths.env ? [] : [moveSettings(source, paths.env)]),
    { text: `write ${paths.unit}`, run: () => writePublic(paths.unit, unit) },
    { text: 'let systemd read it', run: () => systemctl(run, 'daemon-reload') },
    { text: 'start weighbridge at boot from now on', run: () => systemctl(run, 'enable', unitName) },
    { text: 'start weighbridge, and wait until it listens', run: () => systemctl(run, 'restart', unitName) },
  ];
  const notes = [
    ...(parsed === undefined ? [`note: ${source} is for root to read, and not looked at`] : []),
    ...(parsed?.warnings ?? []).map((warning) => `warning: ${formatWarning(warning)}`),
    ...[...moves.notes, ...(await cronNotes(shell, machine))].map((note) => `note: ${note}`),
  ];
  return { unit, steps, notes };
}

const NO_SETTINGS =
  'there are no settings: put them into a file .env in this folder (README.md, "An application at Withings")';
const RUNNING = 'a weighbridge is running here already: stop it first, so that two do not use one login';

interface ServiceSettings {
  /** The file they are in. */
  readonly source: string;
  /** Undefined where this user may not read them. */
  readonly parsed: Parsed | undefined;
}

/** The settings of the service where it has some; otherwise those of this folder. */
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
    text: `move the settings in ${from} to ${to}, for root to read`,
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
