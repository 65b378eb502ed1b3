import { formatTime } from '../../domain/clock.ts';
import { formatWeight } from '../../domain/format.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Linked, LinkOutcome } from '../../domain/link.ts';
import type { WeighIn } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';
import type { Shell } from '../shell.ts';
import type { Bringer, LinkedPerson } from './linking.ts';

export function sayOutcome(shell: Shell, outcome: LinkOutcome, people: People): void {
  if (outcome.kind === 'failed') shell.say(`${outcome.problem} ${outcome.remedy}`);
  else if (outcome.kind === 'already') shell.say(`${nameOf(outcome.userId, people)} is already linked.`);
  else for (const line of describeLinked(outcome, people)) shell.say(line);
}

function describeLinked({ userId, again, switchLink, lastWeighIn, hitches }: Linked, people: People) {
  return [
    `${nameOf(userId, people)} is linked${again ? ' again' : ''}.`,
    ...(lastWeighIn ? [describeWeighIn(lastWeighIn, people)] : []),
    ...hitches,
    ...(switchLink ? [describeSwitch(userId, people, switchLink)] : []),
  ];
}

export function describeWeighIn({ kilograms, takenAt }: WeighIn, { unit }: People): string {
  return `Last weigh-in: ${formatWeight(kilograms, unit)}, ${formatTime(takenAt, undefined)}`;
}

/** The browser was still logged in at Withings, perhaps as the wrong person. The link has its own line for copying. */
export function describeSwitch(userId: UserId, people: People, link: URL): string {
  const name = people.names.get(userId) ?? nameOf(userId, people);
  return `${name} was already linked. To link another person, log out at Withings first, or use a private window.
While weighbridge is running, this link logs out and asks for the next person:
${link.href}`;
}

/** What a person does after linking. */
export function sayNext(shell: Shell, { userId, again, isDaemon }: LinkedPerson): void {
  if (!isDaemon) shell.say('Start weighbridge so that it receives the next weigh-ins: "weighbridge serve"');
  if (!again) shell.say(`To fetch the weigh-ins of all past years, run "weighbridge backfill ${userId}".`);
}

/** Why no person was linked. A stop by the person is not an error. */
export function sayWithoutRedirect({ say, signal }: Shell, by: Bringer): void {
  if (signal.aborted) say('Stopped. No person was linked.');
  else if (by === 'hand') say('error: the input ended, and no person was linked');
  else say(NO_REDIRECT);
}

const NO_REDIRECT = `error: the link expired before a browser came back from the consent page.
If Withings shows "redirect_uri_mismatch", compare CALLBACK_URL with the callback URL of your application in the
Withings dashboard. Both must be exactly the same. If the browser cannot reach the callback URL, run
"weighbridge doctor".`;
