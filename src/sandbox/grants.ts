import { randomBytes } from 'node:crypto';

/** Withings' developer guide, OAuth: the lifetimes. */
const ACCESS_MS = 3 * 3_600_000;
const REFRESH_MS = 365 * 86_400_000;
const OVERLAP_MS = 8 * 3_600_000;
const CODE_MS = 30_000;

export interface TokenPair {
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** The scopes of the consent request, separated by commas. */
  readonly scope: string;
}

/** The consent that a code represents. */
export interface Consent {
  readonly userId: string;
  readonly redirectUri: string;
  readonly scope: string;
}

const SCOPE = 'user.info,user.metrics';

interface Login {
  readonly userId: string;
  readonly scope: string;
  refreshToken: string;
  refreshDiesAt: number;
  previous: { readonly refreshToken: string; readonly diesAt: number } | undefined;
  /** The access token that came with `refreshToken`. */
  newestAccess: string;
}

export type Grants = ReturnType<typeof createGrants>;

/** The logins, by Withings' rules. */
export function createGrants(now: () => number) {
  const codes = new Map<string, Consent & { readonly diesAt: number }>();
  const logins = new Set<Login>();
  const accesses = new Map<string, { readonly login: Login; readonly diesAt: number }>();

  const issue = (login: Login): TokenPair => {
    login.refreshToken = token();
    login.refreshDiesAt = now() + REFRESH_MS;
    login.newestAccess = token();
    accesses.set(login.newestAccess, { login, diesAt: now() + ACCESS_MS });
    const { userId, scope, newestAccess, refreshToken } = login;
    return { userId, scope, accessToken: newestAccess, refreshToken };
  };

  const start = (userId: string, scope = SCOPE): TokenPair => {
    const login: Login = { userId, scope, refreshToken: '', refreshDiesAt: 0, previous: undefined, newestAccess: '' };
    logins.add(login);
    return issue(login);
  };

  const find = (refreshToken: string) =>
    [...logins].find(
      (login) =>
        (login.refreshToken === refreshToken && now() < login.refreshDiesAt) ||
        (login.previous?.refreshToken === refreshToken && now() < login.previous.diesAt),
    );

  return {
    /** A code as the consent page gives it: valid for half a minute, and once. */
    authorize(consent: Consent): string {
      const code = token();
      codes.set(code, { ...consent, diesAt: now() + CODE_MS });
      return code;
    },
    /** Exchanges a code, for the client that got the browser back. */
    exchange(code: string, redirectUri: string): TokenPair | 'other redirect_uri' | undefined {
      const found = codes.get(code);
      codes.delete(code);
      if (found === undefined || now() >= found.diesAt) return undefined;
      return found.redirectUri === redirectUri ? start(found.userId, found.scope) : 'other redirect_uri';
    },
    /**
     * A new pair for a valid refresh token. The old one is valid for 8 hours, or until the new access token is used.
     */
    refresh(refreshToken: string): TokenPair | undefined {
      const login = find(refreshToken);
      if (login === undefined) return undefined;
      if (login.refreshToken === refreshToken) login.previous = { refreshToken, diesAt: now() + OVERLAP_MS };
      return issue(login);
    },
    /** The user whose data this access token opens. Its use ends the previous refresh token. */
    use(accessToken: string): string | undefined {
      const found = accesses.get(accessToken);
      if (found === undefined || now() >= found.diesAt || !logins.has(found.login)) return undefined;
      if (found.login.newestAccess === accessToken) found.login.previous = undefined;
      return found.login.userId;
    },
    /** Whether a refresh with this token would work. Changes nothing. */
    accepts: (refreshToken: string): boolean => find(refreshToken) !== undefined,
    /**
     * The rest of the token's lifetime in milliseconds: a year for the newest, at most 8 hours for the previous one.
     */
    livesForMs(refreshToken: string): number {
      const login = find(refreshToken);
      if (login === undefined) return 0;
      return (login.refreshToken === refreshToken ? login.refreshDiesAt : (login.previous?.diesAt ?? 0)) - now();
    },
    /** The pair after the consent. */
    start,
    /** The refresh token after the consent. */
    link: (userId: string): string => start(userId).refreshToken,
    /** The user withdraws the consent. */
    unlink(userId: string): void {
      for (const login of logins) if (login.userId === userId) logins.delete(login);
    },
    /** Ends all access tokens, as if three hours had passed. */
    expireAccess: (): void => accesses.clear(),
  };
}

function token(): string {
  return randomBytes(20).toString('hex');
}
