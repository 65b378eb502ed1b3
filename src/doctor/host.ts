import { spawn } from 'node:child_process';
import { broken, type Finding, ok } from './finding.ts';

/** `engines` of package.json. */
export const OLDEST_NODE = '20.19.0';

export interface Platform {
  /** Of Node, with or without the v. */
  readonly version: string;
  /** As `os.arch()` names it. */
  readonly architecture: string;
}

export function judgeNode({ version, architecture }: Platform): Finding {
  const text = `${version.replace(/^v?/, 'v')} on ${architecture}`;
  if (isOlder(version, OLDEST_NODE)) {
    const remedy = `install Node ${OLDEST_NODE} or later; Raspberry Pi OS has it since Debian 13 ("sudo apt install nodejs"), and https://nodejs.org for the others`;
    return broken('node', `${text} is too old`, remedy);
  }
  if (architecture === 'arm') return ok('node', `${text}: works; Node 22 is the last one for 32 bits`);
  return ok('node', text);
}

function isOlder(version: string, than: string): boolean {
  const [one, other] = [numbersOf(version), numbersOf(than)];
  const at = one.findIndex((number, index) => number !== other[index]);
  return at !== -1 && (one[at] ?? 0) < (other[at] ?? 0);
}

function numbersOf(version: string): readonly number[] {
  return version.replace(/^v/, '').split(/[.-]/, 3).map(Number);
}

/** Whether logins can be locked on this machine at all. */
export async function checkFlock(program = 'flock'): Promise<Finding> {
  const child = spawn(program, ['--version'], { stdio: 'ignore' });
  const found = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
  if (found) return ok('flock', 'logins can be locked');
  return broken('flock', 'there is no flock(1), and logins are locked with it', 'sudo apt install util-linux');
}
