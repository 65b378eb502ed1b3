import { createHash } from 'node:crypto';
import { parseSeconds } from '../domain/dates.ts';
import {
  type AccessStore,
  parseAccessToken,
  parseRefreshToken,
  parseUserId,
  type RefreshToken,
  type TokenStore,
  type UserId,
} from '../domain/token.ts';
import { Trouble } from '../domain/trouble.ts';
import { attempt, attemptIfThere, type FileSystem, nodeFiles, readText, reserve } from './files.ts';
import { parseFields, textOf } from './json.ts';
import { lockFile } from './lock.ts';

/**
 * One file per user, named by the user id: the refresh token and a newline, mode 0600.
 *
 * `.<userid>.lock` is the file that processes lock. It tells which token was sent to Withings last (as the start of its
 * SHA-256) and when. `.<userid>.tmp` is the next token file while it is being written.
 *
 * @param directory where the files are; it exists
 */
export function createTokenFiles(directory: string, files: FileSystem = nodeFiles): TokenStore {
  const tokenPath = (userId: UserId) => `${directory}/${userId}`;
  const lockPath = (userId: UserId) => `${directory}/.${userId}.lock`;
  return {
    async list() {
      const names = await attempt(`read the directory ${directory}`, () => files.readdir(directory));
      return names.map(parseUserId).filter((userId) => userId !== undefined);
    },

    async load(userId) {
      return await loadToken(files, tokenPath(userId));
    },

    lock: (userId, signal) => lockFile(lockPath(userId), signal),

    async reserve(userId, current) {
      const path = tokenPath(userId);
      const triedMsAgo = current && (await attempt(`write ${path}`, () => readTry(files, lockPath(userId), current)));
      const room = await reserve(files, path, `${directory}/.${userId}.tmp`);
      return {
        triedMsAgo,
        sending: async () => current && (await writeTry(files, lockPath(userId), current)),
        async save(token) {
          if (current !== undefined) await checkUnchanged(files, path, current);
          await room.commit(`${token}\n`);
        },
        [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
      };
    },
  };
}

/** A token and what surrounds it in the answer of a token call take some hundred bytes. */
const LONGEST_BYTES = 64 * 1024;

async function loadToken(files: FileSystem, path: string): Promise<RefreshToken | undefined> {
  const stats = await attemptIfThere(`read ${path}`, () => files.stat(path));
  if (stats?.isFile() && stats.size > LONGEST_BYTES) throw tooLarge(path, stats.size);
  const text = await readText(files, path);
  if (text === undefined) return undefined;
  const token = readToken(text);
  if (token === undefined) throw unreadable(path, text);
  return token;
}

/**
 * While Withings answers, a person may put a new token into the file, or another process that lost the lock may save one.
 * What is in the file then is newer, and wins.
 *
 * @throws Trouble `login_changed`
 */
async function checkUnchanged(files: FileSystem, path: string, sent: RefreshToken): Promise<void> {
  const found = await loadToken(files, path).catch(() => undefined);
  if (found === sent) return;
  throw new Trouble(`the token file ${path} changed during a rotation; the token in it stays`, {
    code: 'login_changed',
    recovery: 'retry',
    hint: 'weighbridge uses the new token',
    waitMs: 0,
  });
}

/**
 * One file per user beside the token file, `.<userid>.access`, for the owner alone: the access token, and which refresh
 * token it came with. So an access token from before a crash does not count as the newest.
 *
 * @param directory where the token files are; it exists
 */
export function createAccessFiles(directory: string, files: FileSystem = nodeFiles): AccessStore {
  const pathOf = (userId: UserId) => `${directory}/.${userId}.access`;
  return {
    async load(userId, refreshToken) {
      const fields = parseFields(await readText(files, pathOf(userId)).catch(() => undefined));
      const accessToken = parseAccessToken(fields['access_token']);
      const issuedAt = parseSeconds(fields['issued_at']);
      const expiresAt = parseSeconds(fields['expires_at']);
      const isOfThis = fields['refresh'] === fingerprint(refreshToken);
      if (!isOfThis || accessToken === undefined || issuedAt === undefined || expiresAt === undefined) return undefined;
      return { accessToken, issuedAt, expiresAt, scope: textOf(fields['scope']) };
    },
    async save(userId, refreshToken, { accessToken, issuedAt, expiresAt, scope }) {
      const fields = {
        refresh: fingerprint(refreshToken),
        access_token: accessToken,
        issued_at: Math.floor(issuedAt.getTime() / 1000),
        expires_at: Math.floor(expiresAt.getTime() / 1000),
        scope,
      };
      const path = pathOf(userId);
      await using file = await reserve(files, path, `${path}.tmp`, { content: `${JSON.stringify(fields)}\n` });
      await file.commit();
    },
  };
}

/** When the user's token file was written; undefined where it is not known. */
export async function tokenWritten(
  directory: string,
  userId: UserId,
  files: FileSystem = nodeFiles,
): Promise<Date | undefined> {
  try {
    return (await files.stat(`${directory}/${userId}`)).mtime;
  } catch {
    return undefined;
  }
}

/** How long a start waits for another process that holds a lock. */
const SWEEP_WAIT_MS = 1_000;

/** Removes what a killed process left half-written, except where another process holds the lock. */
export async function sweepTokenFiles(directory: string, files: FileSystem = nodeFiles): Promise<void> {
  for (const name of await files.readdir(directory)) {
    const userId = parseUserId(/^\.([0-9]+)\.(access\.)?tmp$/.exec(name)?.[1]);
    if (userId === undefined) continue;
    try {
      await using _lock = await lockFile(`${directory}/.${userId}.lock`, AbortSignal.timeout(SWEEP_WAIT_MS));
      await files.rm(`${directory}/${name}`, { force: true });
    } catch {
      // That process is rotating this login, and removes its file.
    }
  }
}

/**
 * Takes a token file in any form a person may have given it: the last line counts, and it may be the JSON that
 * Withings' token call answered, whole or just its body, on one line or many.
 */
export function readToken(text: string): RefreshToken | undefined {
  const lines = text
    .replace(/^\uFEFF/, '')
    .trimEnd()
    .split(/\r?\n/);
  for (let from = lines.length - 1; from >= 0; from -= 1) {
    if (!lines[from]?.trimStart().startsWith('{')) continue;
    const token = tokenInJson(lines.slice(from).join('\n'));
    if (token !== undefined) return token;
  }
  // After `curl … > tokens/1234` there is no newline for `echo … >>` to begin behind.
  return parseRefreshToken(lines.at(-1)?.replace(/^.*\}/s, '').trim());
}

function tokenInJson(text: string): RefreshToken | undefined {
  try {
    const answer: { refresh_token?: unknown; body?: { refresh_token?: unknown } } | null = JSON.parse(text);
    return parseRefreshToken(answer?.body?.refresh_token ?? answer?.refresh_token);
  } catch {
    return undefined;
  }
}

function tooLarge(path: string, bytes: number): Trouble {
  return new Trouble(`the token file ${path} has ${bytes} bytes, which is not a token`, {
    code: 'token_unreadable',
    recovery: 'login',
    hint: 'the file stays as it is; link the account again, or put the refresh token into it',
  });
}

function unreadable(path: string, text: string): Trouble {
  const what = text.trim() === '' ? 'is empty' : 'holds no refresh token';
  const hint = 'the file stays as it is; link the account again, or put the refresh token into it';
  return new Trouble(`the token file ${path} ${what}`, { code: 'token_unreadable', recovery: 'login', hint });
}

/** How long ago this token was sent, if it was sent last: the lock file has its fingerprint and the time. */
async function readTry(files: FileSystem, path: string, token: RefreshToken): Promise<number | undefined> {
  const text = (await files.readFile(path)).toString('latin1');
  // Files know fractions of a millisecond, the clock does not.
  const agoMs = Date.now() - Math.floor((await files.stat(path)).mtimeMs);
  return text === fingerprint(token) && agoMs >= 0 ? agoMs : undefined;
}

async function writeTry(files: FileSystem, path: string, token: RefreshToken): Promise<void> {
  await attempt(`write ${path}`, async () => {
    await using handle = await files.open(path, 'r+');
    await handle.write(fingerprint(token), 0);
    await handle.truncate(fingerprint(token).length);
  });
}

function fingerprint(token: RefreshToken): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16);
}
