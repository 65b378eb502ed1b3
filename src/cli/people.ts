import type { TokenStore, UserId } from '../domain/token.ts';
import { parseUserId } from '../domain/token.ts';
import type { Shell } from './shell.ts';

/** The user that an argument names, or all who are linked without one; says what is wrong otherwise. */
export async function readPeople(
  shell: Shell,
  tokens: TokenStore,
  argument: string | undefined,
): Promise<readonly UserId[] | undefined> {
  const linked = (await tokens.list()).sort((one, other) => Number(one) - Number(other));
  if (argument === undefined) {
    if (linked.length === 0) shell.say('nobody is linked yet; "weighbridge login" links somebody');
    return linked;
  }
  const userId = parseUserId(argument);
  if (userId !== undefined && linked.includes(userId)) return [userId];
  const known = linked.length === 0 ? 'nobody is' : `linked: ${linked.join(', ')}`;
  shell.say(`error: user ${argument} is not linked (${known}); "weighbridge login" links somebody`);
  return undefined;
}
