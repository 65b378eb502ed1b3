import { asTrouble } from '../domain/trouble.ts';
import { broken, type Finding, ok } from './finding.ts';
import { findingOf } from './trouble.ts';

/**
 * Whether Withings knows the client id and secret; no login is involved.
 *
 * @param check fails with a `Trouble`
 */
export async function checkClient(check: () => Promise<void>): Promise<Finding> {
  try {
    await check();
    return ok('client', 'Withings knows the client id, and the secret is right');
  } catch (error) {
    const trouble = asTrouble(error);
    if (trouble.code !== 'wrong_client') return findingOf('client', trouble);
    const remedy =
      'compare WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET with https://developer.withings.com/dashboard; the logins are not the cause';
    return broken('client', 'wrong client id or secret', remedy);
  }
}
