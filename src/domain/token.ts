declare const brand: unique symbol;

/** A Withings user id: digits only and no leading zero, so that it is safe as a file name and stands for one user. */
export type UserId = string & { readonly [brand]: 'UserId' };
/** The long-lived half of a login: one year, single use, replaced by every rotation. */
export type RefreshToken = string & { readonly [brand]: 'RefreshToken' };
/** The short-lived half: three hours, sent with every data call. */
export type AccessToken = string & { readonly [brand]: 'AccessToken' };

/** What one token request answers. */
export interface TokenSet {
  /** Whose login it is, where Withings says so. */
  readonly userId: UserId | undefined;
  readonly accessToken: AccessToken;
  readonly refreshToken: RefreshToken;
  readonly expiresInMs: number;
  /** What the person has granted, comma-separated, where Withings says so. */
  readonly scope: string | undefined;
}

/**
 * Reads a user id in any of the forms Withings uses: a string in webhooks and on the code exchange,
 * a number on a refresh.
 */
export function parseUserId(value: unknown): UserId | undefined {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === 'string' && /^(0|[1-9][0-9]{0,19})$/.test(text) ? (text as UserId) : undefined;
}

/** A token as it may stand in a file or a form: the characters of RFC 6750, none of JSON's. */
export function parseRefreshToken(value: unknown): RefreshToken | undefined {
  return isTokenText(value) ? (value as RefreshToken) : undefined;
}

export function parseAccessToken(value: unknown): AccessToken | undefined {
  return isTokenText(value) ? (value as AccessToken) : undefined;
}

function isTokenText(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9._~+/=-]{1,1024}$/.test(value);
}

/** Where refresh tokens live. One per user; every change happens under that user's lock. */
export interface TokenStore {
  /** The users that have a token, in no particular order. */
  list(): Promise<UserId[]>;
  /** The user's token; undefined when there is none. Fails with a `Trouble` when there is one that cannot be read. */
  load(userId: UserId): Promise<RefreshToken | undefined>;
  /** Waits for the user's lock, which also holds between processes and ends with the process that holds it. */
  lock(userId: UserId, signal?: AbortSignal): Promise<TokenLock>;
}

/** The right to change one user's token. */
export interface TokenLock extends AsyncDisposable {
  /**
   * Makes sure that a token of any length can be stored, before the old one is used up.
   * A full disk fails here, where nothing is lost yet.
   *
   * @param current the token about to be traded; undefined where a person has just consented
   */
  reserve(current: RefreshToken | undefined): Promise<TokenReservation>;
}

export interface TokenReservation extends AsyncDisposable {
  /** How long ago this very token was last sent to Withings by any process, where that is still known. */
  readonly triedMsAgo: number | undefined;
  /** What an earlier rotation got and could not save, because the token had been replaced meanwhile. */
  readonly spare: RefreshToken | undefined;
  /** Notes that the token is being sent now. */
  sending(): Promise<void>;
  /**
   * Replaces the user's token. When it returns, the new token survives a power cut.
   *
   * @throws Trouble `login_changed` where the token is not the current one any more: then that one stays, and the new
   *   token is kept as the spare
   */
  save(token: RefreshToken): Promise<void>;
  /** Withings refuses the spare. */
  dropSpare(): Promise<void>;
}

/** An access token that several processes share. */
export interface SharedAccess {
  readonly accessToken: AccessToken;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly scope: string | undefined;
}

/**
 * Where an access token is kept for other processes, for as long as it lives. It may be lost at any time: then
 * the process that needs one rotates.
 */
export interface AccessStore {
  /** The one that came with this refresh token; undefined when there is none, or when it cannot be read. */
  load(userId: UserId, refreshToken: RefreshToken): Promise<SharedAccess | undefined>;
  /** Call it under the user's lock, after the refresh token has been saved. */
  save(userId: UserId, refreshToken: RefreshToken, access: SharedAccess): Promise<void>;
}

/** Withings' token endpoint. */
export interface TokenIssuer {
  /** Trades a refresh token for a new pair; the old one lives on for 8 hours at most. */
  refresh(
    refreshToken: RefreshToken,
    options: {
      readonly urgent: boolean;
      /** Called right before the token is sent, which may be a while after the call. */
      readonly sending?: (() => Promise<void>) | undefined;
    },
  ): Promise<TokenSet>;
  /**
   * Trades the code that the consent page has handed out, which is good for 30 s and once.
   *
   * @param redirectUri exactly the one that the consent link named
   */
  exchange(code: string, redirectUri: string): Promise<TokenSet & { readonly userId: UserId }>;
}

/** On whose behalf Withings is asked. */
export interface Account {
  readonly userId: UserId;
  readonly accessToken: AccessToken;
  /** A person is waiting for it; it goes before background work. */
  readonly urgent: boolean;
}
