import type { ServiceState } from '../systemd/control.ts';
import { type Finding, ok, warning } from './finding.ts';

/** How the service does, where there is one. */
export function judgeService(state: ServiceState | undefined): readonly Finding[] {
  if (state === undefined || !state.isInstalled) return [];
  if (state.activity !== 'active') {
    const text = `is installed and does not run (${state.activity}, the last exit code was ${state.exitCode})`;
    return [warning('service', text, '"weighbridge service status" says why')];
  }
  if (state.startsAtBoot) return [ok('service', `runs since ${state.since}, and starts at boot`)];
  return [warning('service', 'runs, and does not start at boot', 'sudo systemctl enable weighbridge')];
}
