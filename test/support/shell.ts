import type { Shell } from '../../src/cli/shell.ts';
import { OWN_FILES } from './own-files.ts';

/** Creates the view that a command has of its process, with only the given parts. */
export function createShell(known: Partial<Shell>): Shell {
  return {
    env: {},
    written: [],
    settingsFiles: [],
    readDotenv: () => ({}),
    signal: new AbortController().signal,
    print: () => undefined,
    say: () => undefined,
    readInput: async () => '',
    readLines: async function* () {},
    colour: false,
    isJournalled: false,
    notifyEnvironment: undefined,
    homeAssistant: undefined,
    isRoot: false,
    service: undefined,
    output: process.stdout,
    terminal: undefined,
    keyboard: undefined,
    signalGroup: () => undefined,
    files: OWN_FILES,
    nodeVersion: process.version,
    program: { node: process.execPath, script: '/usr/local/bin/weighbridge' },
    ...known,
  };
}
