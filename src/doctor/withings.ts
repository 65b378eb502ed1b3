import type { PersonState } from '../domain/status.ts';
import { asTrouble } from '../domain/trouble.ts';
import { broken, type Finding, notChecked, ok, warning } from './finding.ts';
import { findingOf } from './trouble.ts';

/**
 * Whether a person's login works: the token file can be read, and Withings takes what is in it.
 *
 * @param name whose login it is, for people
 * @param obtain an access token that is good for a call; fails with a `Trouble`
 * @param record what the daemon has noted about the person
 */
export async function checkLogin(
  name: string,
  obtain: () => Promise<{ readonly expiresInMs: number }>,
  { needsLogin }: Pick<PersonState, 'needsLogin'>,
): Promise<Finding> {
  try {
    const { expiresInMs } = await obtain();
    if (needsLogin === undefined) {
      const minutes = Math.floor(expiresInMs / 60_000);
      return ok('login', `${name}: works; the access token is good for ${minutes} min`);
    }
    const text = `${name}: works, although it was refused on ${needsLogin.since.toISOString().slice(0, 10)}`;
    return warning(
      'login',
      text,
      'a running weighbridge tries it again within the hour; if it stays: "weighbridge login"',
    );
  } catch (error) {
    const trouble = asTrouble(error);
    if (trouble.recovery !== 'login') return findingOf('login', trouble, `${name}: `);
    const rename = trouble.code === 'foreign_login' ? `${trouble.hint}, or ` : '';
    return broken('login', `${name}: needs login: ${trouble.message}`, `${rename}link again: "weighbridge login"`);
  }
}

/**
 * As much as can be told of a login without using it.
 *
 * @param because why it is not used
 */
export async function checkTokenFile(name: string, load: () => Promise<unknown>, because: string): Promise<Finding> {
  try {
    await load();
    return notChecked('login', `${name}: ${because}`);
  } catch (error) {
    const { message, hint = '' } = asTrouble(error);
    return broken('login', `${name}: ${message}`, hint);
  }
}
