import type { LinkFailed } from '../../domain/link.ts';
import type { Trouble } from '../../domain/trouble.ts';

/** What the person in front of the browser is told when linking has failed. */

const AGAIN = 'Ask for a new link ("weighbridge login") and open it.';
export const UNEXPECTED = 'something unexpected happened, which is in the log of weighbridge';

function failed(code: string, problem: string, remedy: string = AGAIN): LinkFailed {
  return { kind: 'failed', code, problem, remedy };
}

/** Withings' own word for it; a stranger can put any word into the address. */
export function refused(error: string): LinkFailed {
  const word = error.replace(/[^\w -]/g, '').slice(0, 40);
  return failed(
    'refused',
    `Withings refused the request (${word}).`,
    'Compare the scopes and the application with the partner dashboard.',
  );
}

export const DENIED = failed(
  'denied',
  'You have not given your consent, so nobody was linked.',
  'If that was a mistake: open the link again.',
);
export const STATE_MISSING = failed('state_missing', 'This address is only a part of what Withings sends back.');
export const STATE_FORGED = failed(
  'state_forged',
  'This did not begin with a link of this weighbridge, so nothing was done.',
  'Ask for a link ("weighbridge login") and open it. If you link by hand: copy the code from the address of this page.',
);
export const STATE_EXPIRED = failed(
  'state_expired',
  'The link you opened is too old; it is good for a quarter of an hour.',
);
export const CODE_USED = failed(
  'code_used',
  'Withings gives out each code for one use, and this one has been used.',
  'Open the link again.',
);

/**
 * A trouble with Withings or the disk, for the person in front of the browser.
 *
 * @param redirectSetting which setting the browser came back by
 */
export function translate(
  { code, message, hint }: Trouble,
  redirectSetting: 'CALLBACK_URL' | 'REDIRECT_URL',
): LinkFailed {
  switch (code) {
    case 'code_refused':
      return failed(
        code,
        'Withings did not accept its own code: it is good for 30 seconds and once.',
        'Open the link again.',
      );
    case 'wrong_client':
      return failed(
        code,
        'The client id or the client secret of weighbridge is wrong.',
        'Compare WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET with the Withings partner dashboard, and restart weighbridge.',
      );
    case 'redirect_mismatch':
      return failed(
        code,
        `${redirectSetting} is not the callback URL that Withings knows.`,
        'Copy it exactly from the Withings partner dashboard, and restart weighbridge.',
      );
    case 'throttled':
      return failed(code, 'Withings has had enough calls for now.', 'Wait a minute, then open the link again.');
    case 'unreachable':
    case 'bad_answer':
      return failed(code, `Withings did not answer as it should: ${message}.`, 'Open the link again in a minute.');
    case 'defect':
      return failed(code, 'Something unexpected happened.', 'It is in the log of weighbridge; please report it.');
    default:
      return failed(code, `${message}.`, hint === undefined ? AGAIN : `${hint}. Then open the link again.`);
  }
}
