import type { Warning } from '../config/checks.ts';
import { describeProblem, type Parsed } from '../config/config.ts';
import { broken, type Finding, ok, warning } from './finding.ts';

/** Everything that is wrong with the settings, each by itself. */
export function judgeSettings({ problems, warnings }: Pick<Parsed, 'problems' | 'warnings'>): readonly Finding[] {
  const findings = [
    ...problems.map((problem) => {
      const { message, hint = '' } = describeProblem(problem);
      return broken('settings', message, hint);
    }),
    ...warnings.map(({ message, hint }: Warning) =>
      warning('settings', message, hint ?? 'correct its name, or remove it'),
    ),
  ];
  return findings.length > 0 ? findings : [ok('settings', 'all are understood')];
}
