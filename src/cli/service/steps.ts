import { readFile } from 'node:fs/promises';
import { isMissing } from '../../storage/files.ts';
import type { SystemPaths } from '../../systemd/paths.ts';
import { isSealed } from '../../systemd/unit.ts';
import { ExitCode, type Shell } from '../shell.ts';

/** One thing that changes the machine, and what to call it: "move a to b". */
export interface Step {
  readonly text: string;
  readonly run: () => Promise<void>;
}

/** Does one step after the other, and says so; a dry run only says so. */
export async function carryOut(
  shell: Shell,
  steps: readonly Step[],
  { dryRun = false }: { readonly dryRun?: boolean },
): Promise<ExitCode> {
  if (!dryRun && !shell.isRoot) {
    shell.say('error: this is for root: put "sudo" in front; with --dry-run it only says what it would do');
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

/** The unit that is installed, and whether it is as it was written. */
export async function readUnit({ unit }: SystemPaths): Promise<{ text: string; isSealed: boolean } | undefined> {
  try {
    const text = await readFile(unit, 'utf8');
    return { text, isSealed: isSealed(text) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
