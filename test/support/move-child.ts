import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { servicePaths } from '../../src/systemd/paths.ts';
import { createShell } from './shell.ts';

/**
 * Moves the files of a folder into the service, and is killed before the file operation `dieAt`, counted from 0; see
 * `move.test.ts`.
 */
const [, , root = '', folder = '', dieAt = '0'] = process.argv;
let count = 0;
const all: Record<string, unknown> = Object(fs);
for (const [name, call] of Object.entries(all)) {
  if (typeof call !== 'function') continue;
  all[name] = (...args: unknown[]) => {
    if (count === Number(dieAt)) process.kill(process.pid, 'SIGKILL');
    count += 1;
    return Reflect.apply(call, fs, args);
  };
}
syncBuiltinESMExports();
const { planMoves } = await import('../../src/cli/service/move.ts');
const machine = {
  paths: servicePaths(root),
  run: async () => ({ code: 0, stdout: '', stderr: '' }),
  folder,
  root: process.getuid?.() ?? 0,
};
const { steps } = await planMoves(createShell({ readDotenv: () => ({}) }), machine);
for (const step of steps) await step.run();
