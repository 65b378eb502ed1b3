import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';
import type { Consent, ConsentRequest } from '../domain/link.ts';

/** Time to log in at Withings and to find the password for it. */
const LIFETIME_MS = 15 * 60_000;
/** The clocks of two processes may differ, or a clock may be set meanwhile. */
const CLOCK_SLACK_MS = 5 * 60_000;
/** 128 bits cannot be guessed within the lifetime. */
const SIGNATURE_BYTES = 16;
const ID_BYTES = 9;
const PURPOSE = 'weighbridge consent state 1';

/**
 * The consent page and its state. The client secret signs the state. So every process with the secret can verify that
 * this household requested a consent. The caller ensures that each state is used once.
 *
 * @param options.redirectUri the callback URL exactly as registered with Withings
 */
export function createConsent(options: {
  readonly accountUrl: URL;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  readonly clock: Pick<Clock, 'now'>;
}): Consent {
  const { accountUrl, clientId, clientSecret, redirectUri, scopes, clock } = options;
  const sign = (text: string) =>
    createHmac('sha256', clientSecret).update(`${PURPOSE}\n${text}`).digest().subarray(0, SIGNATURE_BYTES);

  /** @param path below the address of the account pages */
  const linkTo = (path: string, parameters: Readonly<Record<string, string>>): URL => {
    const link = new URL(`${accountUrl.pathname.replace(/\/$/, '')}${path}`, accountUrl);
    link.search = new URLSearchParams(parameters).toString();
    return link;
  };

  const request: Consent['request'] = ({ demo, subscribe }) => {
    const id = randomBytes(ID_BYTES).toString('base64url');
    const expiresS = Math.floor((clock.now().getTime() + LIFETIME_MS) / 1000);
    const text = `${id}.${expiresS.toString(36)}.${subscribe ? 's' : 'n'}`;
    const link = linkTo('/oauth2_user/authorize2', {
      response_type: 'code',
      client_id: clientId,
      scope: scopes.join(','),
      redirect_uri: redirectUri,
      state: `${text}.${sign(text).toString('base64url')}`,
      ...(demo ? { mode: 'demo' } : {}),
    });
    return { link, id, expiresAt: new Date(expiresS * 1000), subscribe };
  };

  return {
    request,
    switchAccount: ({ subscribe }) => linkTo('/logout', { r: request({ demo: false, subscribe }).link.href }),

    read(state): ConsentRequest | 'forged' | 'expired' {
      const [, text = '', id = '', expires = '', mode, signature = ''] =
        /^(([\w-]{12})\.([0-9a-z]{1,10})\.([sn]))\.([\w-]{22})$/.exec(state) ?? [];
      const given = Buffer.from(signature, 'base64url');
      if (given.length !== SIGNATURE_BYTES || !timingSafeEqual(given, sign(text))) return 'forged';
      const expiresAt = new Date(Number.parseInt(expires, 36) * 1000);
      const leftMs = expiresAt.getTime() - clock.now().getTime();
      if (leftMs <= 0 || leftMs > LIFETIME_MS + CLOCK_SLACK_MS) return 'expired';
      return { id, expiresAt, subscribe: mode === 's' };
    },
  };
}
