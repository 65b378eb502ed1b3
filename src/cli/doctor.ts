import { existsSync } from 'node:fs';
import { arch } from 'node:os';
import { parseConfig } from '../config/config.ts';
import { examine } from '../doctor/examine.ts';
import type { Finding, Mark } from '../doctor/finding.ts';
import { openNetwork } from '../doctor/network.ts';
import { createMask } from '../domain/secrets.ts';
import { oneLine } from '../runtime/logger.ts';
import { realClock } from '../runtime/real-clock.ts';
import { askService, runProgram } from '../systemd/control.ts';
import { SERVICE } from '../systemd/paths.ts';
import { openMessages, secretsIn } from './open-command.ts';
import { ExitCode, type Shell } from './shell.ts';

/** Prints whether each part of a set-up is right, and the fix if not. */
export async function doctor(shell: Shell, options: { readonly json?: boolean }): Promise<ExitCode> {
  const parsed = parseConfig(shell.env, 'withings', shell.written);
  const config = parsed.readable;
  const mask = createMask(secretsIn(config));
  const world = {
    service: existsSync(SERVICE.unit) ? await askService(runProgram) : undefined,
    platform: { version: shell.nodeVersion, architecture: arch() },
    network: openNetwork(shell.signal),
    clock: realClock,
    log: openMessages(shell, config),
    signal: shell.signal,
  };
  const count: Record<Mark, number> = { ok: 0, warning: 0, broken: 0 };
  for await (const finding of examine(parsed, world)) {
    if (shell.signal.aborted) return ExitCode.failed;
    count[finding.mark] += 1;
    const lines = options.json
      ? [JSON.stringify(maskAll(finding, mask))]
      : describeFinding(finding, { mask, colour: shell.colour });
    for (const line of lines) shell.print(line);
  }
  if (!options.json) shell.say(countOf(count));
  return count.broken > 0 ? ExitCode.failed : ExitCode.done;
}

/** `2 problems, 1 warning, 9 ok` */
function countOf({ ok, warning, broken }: Readonly<Record<Mark, number>>): string {
  return `${broken} problem${broken === 1 ? '' : 's'}, ${warning} warning${warning === 1 ? '' : 's'}, ${ok} ok`;
}

/** Masks each text before it is escaped, because escaping would hide a secret from the mask. */
function maskAll({ check, mark, text, remedy }: Finding, mask: (text: string) => string): Finding {
  const masked = { check, mark, text: mask(oneLine(text)) };
  return remedy === undefined ? masked : { ...masked, remedy: mask(oneLine(remedy)) };
}

const SIGNS: Readonly<Record<Mark, { readonly sign: string; readonly colour: string }>> = {
  ok: { sign: '✓', colour: '\u001b[32m' },
  warning: { sign: '!', colour: '\u001b[33m' },
  broken: { sign: '✗', colour: '\u001b[31m' },
};
const PLAIN = '\u001b[0m';
/** The longest name of a check. */
const NAME_WIDTH = 'subscription'.length;

/** One line for the finding, and one for the remedy. */
export function describeFinding(
  finding: Finding,
  { mask, colour }: { readonly mask: (text: string) => string; readonly colour: boolean },
): readonly string[] {
  const { check, mark, text, remedy } = maskAll(finding, mask);
  const { sign, colour: tint } = SIGNS[mark];
  const marked = colour ? `${tint}${sign}${PLAIN}` : sign;
  const line = `${marked} ${check.padEnd(NAME_WIDTH)}  ${text}`;
  return remedy === undefined ? [line] : [line, `  ${' '.repeat(NAME_WIDTH)}  → ${remedy}`];
}
