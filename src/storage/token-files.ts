import { createHash } from 'node:crypto';
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
import { attempt, type FileSystem, nodeFiles, readText, replaceFile, reserve } from './files.ts';
import { parseFields, secondsOf, textOf } from './json.ts';
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
      const path = tokenPath(userId);
      const text = await readText(files, path);
      if (text === undefined) return undefined;
      const token = readToken(text);
      if (token === undefined) throw unreadable(path, text);
      return token;
    },

    lock: (userId, signal) => lockFile(lockPath(userId), signal),

    async reserve(userId, current) {
      const path = tokenPath(userId);
      const triedMsAgo = current && (await attempt(`write ${path}`, () => readTry(files, lockPath(userId), current)));
      const room = await reserve(files, path, `${directory}/.${userId}.tmp`);
      return {
        triedMsAgo,
        sending: async () => current && (await writeTry(files, lockPath(userId), current)),
        save: (token) => room.commit(`${token}\n`),
        [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
      };
    },
  };
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
      const issuedAt = secondsOf(fields['issued_at']);
      const expiresAt = secondsOf(fields['expires_at']);
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
      await replaceFile(files, path, `${JSON.stringify(fields)}\n`, { temporary: `${path}.tmp` });
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

function unreadable(path: string, text: string): Trouble {
  const what = text.trim() === '' ? 'is empty' : 'holds no refresh token';
  const hint = 'the file stays as it is; link the account again, or put the refresh token into it';
  return new Trouble(`the token file ${path} ${what}`, { code: 'token_unreadable', recovery: 'login', hint });
}

/** How long ago a token was last sent, if it was this one: the lock file says so by its text and its time. */
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
