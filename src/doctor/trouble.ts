import type { Trouble } from '../domain/trouble.ts';
import { broken, type Check, type Finding, warning } from './finding.ts';

/** What a person can do now. The hints of these troubles say what the daemon does by itself. */
const REMEDIES: Readonly<Record<string, string>> = {
  unreachable: 'is there a network, and does DNS work? "curl -I https://wbsapi.withings.net" must answer something',
  bad_answer: 'Withings has a problem, or something on the way answers in its place; run this again later',
  withings_error: 'Withings has a problem; run this again later',
  throttled: 'run this again in a minute; if it stays, something else uses the same application',
};

/** What a failure means for somebody who is looking for one. */
export function findingOf(check: Check, { code, message, hint }: Trouble, subject = ''): Finding {
  const remedy = REMEDIES[code] ?? hint ?? 'run this again with LOG_LEVEL=debug, and report it';
  const text = `${subject}${message}`;
  return code === 'throttled' ? warning(check, text, remedy) : broken(check, text, remedy);
}
