import { spawn } from 'node:child_process';
import { describeProblem, isForSetup, type Parsed } from '../config/config.ts';
import { isPlausible } from '../domain/clock.ts';
import type { ServiceState } from '../systemd/control.ts';
import { broken, type Finding, ok, warning } from './finding.ts';

/** All problems of the settings, one finding each. */
export function judgeSettings({ problems, warnings }: Pick<Parsed, 'problems' | 'warnings'>): readonly Finding[] {
  const findings = [
    ...problems.map((problem) => {
      const { message, hint = '' } = describeProblem(problem);
      return broken('settings', message, isForSetup(problem) ? `${hint}. Or run "weighbridge setup".` : hint);
    }),
    ...warnings.map(({ message, hint = 'Correct the name, or remove the setting.' }) =>
      warning('settings', message, hint),
    ),
  ];
  return findings.length > 0 ? findings : [ok('settings', 'all valid')];
}

/** `engines` of package.json. */
export const OLDEST_NODE = '20.19.0';

export interface Platform {
  /** The version of Node, with or without the v. */
  readonly version: string;
  /** The architecture, as in `os.arch()`. */
  readonly architecture: string;
}

export function judgeNode({ version, architecture }: Platform): Finding {
  const number = version.replace(/^v/, '');
  const text = `v${number} on ${architecture}`;
  if (number.localeCompare(OLDEST_NODE, 'en', { numeric: true }) < 0) {
    const remedy = `Install Node ${OLDEST_NODE} or later. On Raspberry Pi OS since Debian 13, run "sudo apt install nodejs". For other systems, see https://nodejs.org.`;
    return broken('node', `${text} is too old`, remedy);
  }
  return ok('node', architecture === 'arm' ? `${text}; Node 22 is the last version for 32-bit systems` : text);
}

/** Whether logins can be locked on this machine at all. */
export async function checkFlock(program = 'flock'): Promise<Finding> {
  const child = spawn(program, ['--version'], { stdio: 'ignore' });
  const found = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
  if (found) return ok('flock', 'logins can be locked');
  return broken(
    'flock',
    'flock is missing, so weighbridge cannot lock logins',
    'Install flock: sudo apt install util-linux',
  );
}

/** Whether the service runs, if it is installed. */
export function judgeService(state: ServiceState | undefined): readonly Finding[] {
  if (state === undefined || !state.isInstalled) return [];
  if (state.activity !== 'active') {
    const text = `installed, but not running (${state.activity}, last exit code ${state.exitCode})`;
    return [warning('service', text, 'Run "weighbridge service status".')];
  }
  if (state.startsAtBoot) return [ok('service', `running since ${state.since}, and starts at boot`)];
  return [warning('service', 'running, but does not start at boot', 'Run "sudo systemctl enable weighbridge".')];
}

/** HTTP dates are whole seconds, and an answer takes some time. */
const WORTH_TELLING_MS = 60_000;
/** Beyond this, signed calls and the end of an access token go wrong. */
const TOO_FAR_MS = 5 * 60_000;

const SET_CLOCK = 'Run "sudo timedatectl set-ntp true". Then "timedatectl" must show "System clock synchronized: yes".';

/** @param theirs Withings' clock at the same moment; undefined without an answer */
export function judgeClock(now: Date, theirs: Date | undefined): Finding {
  const said = `${now.toISOString().slice(0, 19)}Z`;
  if (theirs === undefined) {
    if (!isPlausible(now)) return broken('clock', `shows ${said}, which is in the past`, SET_CLOCK);
    return ok('clock', `shows ${said}; cannot compare it with Withings' clock`);
  }
  const aheadMs = now.getTime() - theirs.getTime();
  const offMs = Math.abs(aheadMs);
  if (offMs <= WORTH_TELLING_MS) return ok('clock', `right to within ${Math.ceil(offMs / 1000)} s of Withings' clock`);
  const text = `${inWords(offMs)} ${aheadMs > 0 ? 'ahead of' : 'behind'} Withings' clock`;
  return (offMs > TOO_FAR_MS ? broken : warning)('clock', text, SET_CLOCK);
}

function inWords(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes < 120) return `${Math.round(minutes)} min`;
  return minutes < 2 * 1440 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}
