import type { LinkFailed } from '../../domain/link.ts';
import type { Trouble } from '../../domain/trouble.ts';

/** Why linking failed, for the person at the browser, who may have no terminal. */

const AGAIN = 'Ask for a new link: "Add person" on the status page, or "weighbridge login".';
const OPEN_AGAIN = 'Open the link again.';
export const UNEXPECTED = 'An unexpected error. See the weighbridge log.';

function failed(code: string, title: string, problem: string, remedy: string = AGAIN): LinkFailed {
  return { kind: 'failed', code, title, problem, remedy };
}

/** Withings' own word for the failure. A stranger can put any word into the address. */
export function refused(error: string): LinkFailed {
  const word = error.replace(/[^\w -]/g, '').slice(0, 40);
  return failed(
    'refused',
    'Withings refused the request',
    `Withings refused the request (${word}).`,
    'Compare the scopes and the application with the partner dashboard.',
  );
}

export const DENIED = failed(
  'denied',
  'You chose not to link',
  'Withings did not get your consent.',
  'If you changed your mind, open the link again.',
);
export const STATE_MISSING = failed(
  'state_missing',
  'Address incomplete',
  'The address has only a part of what Withings sends.',
  OPEN_AGAIN,
);
export const STATE_FORGED = failed(
  'state_forged',
  'Link not valid here',
  'This weighbridge did not make the link.',
  `${AGAIN} If you link by hand, copy the code from the address of this page.`,
);
export const STATE_EXPIRED = failed('state_expired', 'Link expired', 'The link was valid for 15 minutes.');
export const CODE_USED = failed(
  'code_used',
  'Link already used',
  'Withings accepts each sign-in once, and this one was used.',
  OPEN_AGAIN,
);

/**
 * A trouble with Withings or the disk, for the person at the browser.
 *
 * @param redirectSetting the setting whose URL the browser came back to
 */
export function translate(
  { code, message, hint }: Trouble,
  redirectSetting: 'CALLBACK_URL' | 'REDIRECT_URL',
): LinkFailed {
  switch (code) {
    case 'code_refused':
      return failed(
        code,
        'The sign-in took too long',
        'Withings allows 30 seconds for a sign-in, and accepts it once.',
        OPEN_AGAIN,
      );
    case 'wrong_client':
      return failed(
        code,
        'Wrong client id or secret',
        'The client id or the client secret of weighbridge is wrong.',
        'Compare WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET with the Withings partner dashboard, and restart weighbridge.',
      );
    case 'redirect_mismatch':
      return failed(
        code,
        'Callback URL does not match',
        `${redirectSetting} is not the callback URL of the Withings application.`,
        'Copy it exactly from the Withings partner dashboard, and restart weighbridge.',
      );
    case 'throttled':
      return failed(
        code,
        'Withings limits the requests',
        'Withings rate limit reached.',
        'Wait a minute, then open the link again.',
      );
    case 'unreachable':
    case 'bad_answer':
      return failed(
        code,
        code === 'unreachable' ? 'Withings cannot be reached' : 'Withings answered with an error',
        `Withings did not answer as expected: ${message}.`,
        'Open the link again in a minute.',
      );
    case 'defect':
      return failed(code, 'Unexpected error', 'An unexpected error.', 'See the weighbridge log, and report the error.');
    default:
      return failed(
        code,
        'Linking failed',
        `${message}.`,
        hint === undefined ? AGAIN : `${hint}. Then open the link again.`,
      );
  }
}
