import type { LinkFailed } from '../../domain/link.ts';
import { type Bringer, type LinkedPerson, type Linking, openLinker } from './linking.ts';
import { createPasted } from './pasted.ts';
import { sayOutcome } from './words.ts';

/**
 * The browser ends on an address that it cannot open, and the person copies the address.
 *
 * @returns undefined at the end of the input
 */
export async function linkByHand(linking: Linking): Promise<LinkedPerson | undefined> {
  const { shell, config, callback, patience, isDaemon } = linking;
  await using linker = await openLinker(linking);
  await linking.show();
  shell.say(TASKS[linking.by]);
  const pasted = createPasted();
  for await (const line of shell.readLines(patience)) {
    if (line.trim() === '') continue;
    const redirect = pasted.add(line);
    const isForeign = redirect?.state !== undefined && callback.consent.read(redirect.state) === 'forged';
    const outcome = redirect === undefined || isForeign ? NOT_WHOLE : await linker.link(redirect, forever());
    if (outcome === 'working') return undefined;
    sayOutcome(shell, outcome, config.people);
    if (outcome.kind === 'already') return { userId: outcome.userId, again: true, isDaemon };
    if (outcome.kind === 'linked') return { ...outcome, isDaemon };
    // The rest of an address may follow. After an attempt, the next line must begin a new one.
    if (outcome !== NOT_WHOLE) pasted.clear();
  }
  return undefined;
}

const TASKS: Readonly<Record<Bringer, string>> = {
  browser: '',
  hand: 'At the end the browser shows a page that it cannot open. Paste the address of that page here within 30 seconds.',
  either: 'If the browser shows a page that it cannot open, paste the address of that page here within 30 seconds.',
};

const NOT_WHOLE: LinkFailed = {
  kind: 'failed',
  code: 'not_whole',
  title: 'Address incomplete',
  problem: 'The address is incomplete, or it is a different address.',
  remedy: 'Paste the rest, or the whole address, including everything after the question mark.',
};

function forever(): Promise<void> {
  return new Promise(() => undefined);
}
