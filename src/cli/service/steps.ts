import { readFile } from 'node:fs/promises';
import { attemptIfThere } from '../../storage/files.ts';
import { type RunProgram, runProgram } from '../../systemd/control.ts';
import { SERVICE, type ServicePaths } from '../../systemd/paths.ts';
import { readSeal } from '../../systemd/unit.ts';
import { ExitCode, type Shell } from '../shell.ts';

/** The machine of the service commands. It is a parameter, so that a test has its own machine. */
export interface Machine {
  readonly paths: ServicePaths;
  readonly run: RunProgram;
  /** The folder with the set-up that becomes a service. */
  readonly folder: string;
  /** The user id of root. */
  readonly root: number;
}

export const THIS_MACHINE: Machine = { paths: SERVICE, run: runProgram, folder: '.', root: 0 };

/** One change to the machine, and its name: "move a to b". */
export interface Step {
  readonly text: string;
  readonly run: () => Promise<unknown>;
}

/** Takes one step after the other, and reports each; a dry run only reports them. */
export async function carryOut(
  shell: Shell,
  steps: readonly Step[],
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<ExitCode> {
  if (!dryRun && !shell.isRoot) {
    shell.say('error: this needs root. Run it with sudo, or use --dry-run to see the steps.');
    return ExitCode.failed;
  }
  for (const { text, run } of steps) {
    shell.say(dryRun ? `would ${text}` : text);
    if (dryRun) continue;
    try {
      await run();
    } catch (error) {
      shell.say(`error: ${error instanceof Error ? error.message : error}`);
      return ExitCode.failed;
    }
  }
  return ExitCode.done;
}

/** @throws Error with the output of systemctl when it fails */
export async function systemctl(run: RunProgram, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run('systemctl', args);
  if (code !== 0) throw new Error(`systemctl ${args.join(' ')} failed: ${stderr.trim()}`);
}

export interface InstalledUnit {
  /** Whether the unit is unchanged since weighbridge wrote it. */
  readonly isUnchanged: boolean;
  /** The version of the weighbridge that wrote it, if known. */
  readonly version: string | undefined;
}

/** Undefined without a unit. */
export async function readUnit({ paths: { unit } }: Machine): Promise<InstalledUnit | undefined> {
  return await attemptIfThere(`read ${unit}`, async () => {
    const written = readSeal(await readFile(unit, 'utf8'));
    return { isUnchanged: written !== undefined, version: written?.version };
  });
}
