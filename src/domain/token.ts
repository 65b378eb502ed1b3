declare const brand: unique symbol;

/** A Withings user id: digits only and no leading zero, so that it is safe as a file name and unique. */
export type UserId = string & { readonly [brand]: 'UserId' };
/** The long-lived half of a login: one year, single use, replaced by every rotation. */
export type RefreshToken = string & { readonly [brand]: 'RefreshToken' };
/** The short-lived half: three hours, sent with every data call. */
export type AccessToken = string & { readonly [brand]: 'AccessToken' };

/** The answer to one token request. */
export interface TokenSet {
  /** The user of the login, if Withings sends it. */
  readonly userId: UserId | undefined;
  readonly accessToken: AccessToken;
  readonly refreshToken: RefreshToken;
  readonly expiresInMs: number;
  /** The granted scopes, comma-separated, if Withings sends them. */
  readonly scope: string | undefined;
}

/**
 * Reads a user id in any of Withings' forms: a string in notifications and on the code exchange, a number on a refresh.
 */
export function parseUserId(value: unknown): UserId | undefined {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === 'string' && /^(0|[1-9][0-9]{0,19})$/.test(text) ? (text as UserId) : undefined;
}

/** A token in a file or a form: the characters of RFC 6750, none of JSON's. */
export function parseRefreshToken(value: unknown): RefreshToken | undefined {
  return isTokenText(value) ? (value as RefreshToken) : undefined;
}

export function parseAccessToken(value: unknown): AccessToken | undefined {
  return isTokenText(value) ? (value as AccessToken) : undefined;
}

function isTokenText(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9._~+/=-]{1,1024}$/.test(value);
}

/** The store of refresh tokens, one per user. Every change happens under that user's lock. */
export interface TokenStore {
  /** The users that have a token, in no particular order. */
  list(): Promise<UserId[]>;
  /** The user's token. Undefined when there is none. Fails with a `Trouble` when it cannot be read. */
  load(userId: UserId): Promise<RefreshToken | undefined>;
  /** Waits for the user's lock, which also holds between processes and ends with the process that holds it. */
  lock(userId: UserId, signal?: AbortSignal): Promise<TokenLock>;
}

/** The right to change one user's token. */
export interface TokenLock extends AsyncDisposable {
  /**
   * Ensures that a token of any length can be stored before the old one is used up. A full disk fails here, before
   * anything is lost.
   *
   * @param current the token to rotate; undefined if a person has just consented
   */
  reserve(current: RefreshToken | undefined): Promise<TokenReservation>;
}

export interface TokenReservation extends AsyncDisposable {
  /** How long ago any process last sent this token to Withings, if still known. */
  readonly triedMsAgo: number | undefined;
  /** The token that an earlier rotation could not save, because the stored one was replaced meanwhile. */
  readonly spare: RefreshToken | undefined;
  /** Notes that the token is being sent now. */
  sending(): Promise<void>;
  /**
   * Replaces the user's token. After it returns, the new token survives a power cut.
   *
   * @throws Trouble `login_changed` if the token is no longer the current one: then the current one stays, and the new
   *   token becomes the spare
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
 * Stores an access token for other processes until it expires. The token may be lost at any time: then the process that
 * needs one rotates.
 */
export interface AccessStore {
  /** The access token that came with this refresh token. Undefined when there is none, or when it is unreadable. */
  load(userId: UserId, refreshToken: RefreshToken): Promise<SharedAccess | undefined>;
  /** Call it under the user's lock, after the refresh token is saved. */
  save(userId: UserId, refreshToken: RefreshToken, access: SharedAccess): Promise<void>;
}

/** Withings' token endpoint. */
export interface TokenIssuer {
  /** Exchanges a refresh token for a new pair; the old one stays valid for 8 hours at most. */
  refresh(
    refreshToken: RefreshToken,
    options: {
      readonly urgent: boolean;
      /** Called right before the token is sent, which may be a while after the call. */
      readonly sending?: (() => Promise<void>) | undefined;
    },
  ): Promise<TokenSet>;
  /**
   * Exchanges the code from the consent page, which is valid for 30 s and once.
   *
   * @param redirectUri exactly the one in the consent link
   */
  exchange(code: string, redirectUri: string): Promise<TokenSet & { readonly userId: UserId }>;
}

/** The person of a call to Withings. */
export interface Account {
  readonly userId: UserId;
  readonly accessToken: AccessToken;
  /** A person waits for the call, so it goes before background work. */
  readonly urgent: boolean;
}
