import { createHash, randomBytes } from 'node:crypto';
import { parseSeconds } from '../domain/dates.ts';
import {
  type AccessStore,
  parseAccessToken,
  parseRefreshToken,
  parseUserId,
  type RefreshToken,
  type TokenReservation,
  type TokenStore,
  type UserId,
} from '../domain/token.ts';
import { Trouble } from '../domain/trouble.ts';
import {
  attempt,
  attemptIfThere,
  attemptRead,
  type FileSystem,
  nodeFiles,
  readText,
  replaceFile,
  reserve,
} from './files.ts';
import { parseFields, textOf } from './json.ts';
import { type FileLock, lockFile } from './lock.ts';

/**
 * One file per user, named by the user id: the refresh token and a newline, mode 0600.
 *
 * `.<userid>.lock` is the file that processes lock. It holds when the last token was sent to Withings, and the start of
 * that token's SHA-256. `.<userid>.spare` is a token that came too late for the token file. `.<userid>.<random>.tmp` is
 * the next token file while it is being written.
 *
 * @param directory where the files are; it exists
 */
export function createTokenFiles(directory: string, files: FileSystem = nodeFiles): TokenStore {
  const tokenPath = (userId: UserId) => `${directory}/${userId}`;
  return {
    async list() {
      const names = await attemptRead(`read the directory ${directory}`, () => files.readdir(directory));
      return names.map(parseUserId).filter((userId) => userId !== undefined);
    },

    async load(userId) {
      return await loadToken(files, tokenPath(userId));
    },

    async lock(userId, signal) {
      const lock = await lockFile(lockPath(directory, userId), signal);
      return {
        reserve: (current) => reserveToken(files, directory, { userId, current, lock }),
        [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
      };
    },
  };
}

function lockPath(directory: string, userId: UserId): string {
  return `${directory}/.${userId}.lock`;
}

async function reserveToken(
  files: FileSystem,
  directory: string,
  {
    userId,
    current,
    lock,
  }: { readonly userId: UserId; readonly current: RefreshToken | undefined; readonly lock: FileLock },
): Promise<TokenReservation> {
  const path = `${directory}/${userId}`;
  const lockedPath = lockPath(directory, userId);
  const sparePath = `${directory}/.${userId}.spare`;
  await sweepUser(files, directory, userId);
  const triedMsAgo = current && (await attemptRead(`read ${lockedPath}`, () => readTry(files, lockedPath, current)));
  const spare = current && (await loadSpare(files, sparePath));
  // The name is unique, so that a process that lost its lock does not write into another's file.
  const room = await reserve(files, path, `${directory}/.${userId}.${randomBytes(4).toString('hex')}.tmp`);
  const dropSpare = () => attempt(`remove ${sparePath}`, () => files.rm(sparePath, { force: true }));
  return {
    triedMsAgo,
    spare: spare === current ? undefined : spare,
    sending: async () => current && (await writeTry(files, lockedPath, current)),
    async save(token) {
      // Another process may rotate the same login now. It stores its answer first, and the check below finds it.
      await using _again = (await lock.isHeld()) ? undefined : await lockAgain(lockedPath);
      try {
        await room.commit(`${token}\n`, async () => {
          if (current !== undefined) await checkUnchanged(files, path, current);
        });
      } catch (error) {
        // Of two answers to one token, only the later may be valid. Nothing is kept of a removed login.
        const isReplaced = error instanceof Trouble && error.code === 'login_changed';
        // The process that held the lock meanwhile may have removed the file written here.
        if (isReplaced && (await loadToken(files, path).catch(() => token)) !== undefined)
          await room.keepAs(sparePath).catch(() => replaceFile(files, sparePath, `${token}\n`));
        throw error;
      }
      if (spare !== undefined || current === undefined) await dropSpare().catch(() => undefined);
    },
    dropSpare,
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  };
}

async function loadSpare(files: FileSystem, path: string): Promise<RefreshToken | undefined> {
  return await loadToken(files, path).catch((error) => {
    if (error instanceof Trouble && error.code === 'token_unreadable') return undefined;
    throw error;
  });
}

/** If this fails, the other process still holds the lock, and stores a token newer than the current one. */
async function lockAgain(path: string): Promise<AsyncDisposable | undefined> {
  return await lockFile(path).catch(() => undefined);
}

/** A token takes some hundred bytes, together with the rest of the token answer. */
const LONGEST_BYTES = 64 * 1024;

async function loadToken(files: FileSystem, path: string): Promise<RefreshToken | undefined> {
  const stats = await attemptIfThere(`read ${path}`, () => files.stat(path));
  if (stats?.isFile() && stats.size > LONGEST_BYTES)
    throw unreadable(path, `has ${stats.size} bytes, which is not a token`);
  const text = await readText(files, path);
  if (text === undefined) return undefined;
  const token = readToken(text);
  if (token === undefined) throw unreadable(path, text.trim() === '' ? 'is empty' : 'has no refresh token');
  return token;
}

/**
 * While Withings answers, a person or a process that lost the lock may write a token into the file. That token is
 * newer, and wins.
 *
 * @throws Trouble `login_changed`
 */
async function checkUnchanged(files: FileSystem, path: string, sent: RefreshToken): Promise<void> {
  const found = await loadToken(files, path).catch(() => undefined);
  if (found === sent) return;
  throw new Trouble(`the token file ${path} changed during a rotation. The new token in it stays.`, {
    code: 'login_changed',
    recovery: 'retry',
    hint: 'weighbridge uses the new login.',
    waitMs: 0,
  });
}

/**
 * One file per user next to the token file, `.<userid>.access`, for the owner alone. It holds the access token and
 * identifies its refresh token. So an access token from before a crash does not count as the newest.
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
      // By now there may be another login, with its own access file.
      if ((await loadToken(files, `${directory}/${userId}`)) !== refreshToken) return;
      await replaceFile(files, pathOf(userId), `${JSON.stringify(fields)}\n`);
    },
  };
}

/** When the user's token file was written; undefined if unknown. */
export async function tokenWritten(
  directory: string,
  userId: UserId,
  files: FileSystem = nodeFiles,
): Promise<Date | undefined> {
  try {
    const path = `${directory}/${userId}`;
    return (await attemptRead(`read ${path}`, () => files.stat(path))).mtime;
  } catch {
    return undefined;
  }
}

/** How long a start waits for another process that holds a lock. */
const SWEEP_WAIT_MS = 1_000;

/** Removes the half-written files of a killed process, unless another process holds the lock. */
export async function sweepTokenFiles(directory: string, files: FileSystem = nodeFiles): Promise<void> {
  const names = await attemptRead(`read the directory ${directory}`, () => files.readdir(directory));
  for (const userId of new Set(names.map(ownerOfTemporary))) {
    if (userId === undefined) continue;
    try {
      await using _lock = await lockFile(lockPath(directory, userId), AbortSignal.timeout(SWEEP_WAIT_MS));
      await sweepUser(files, directory, userId);
    } catch {
      // That process is rotating this login, and removes its file.
    }
  }
}

/** Call it under the user's lock. */
async function sweepUser(files: FileSystem, directory: string, userId: UserId): Promise<void> {
  const names = await attemptRead(`read the directory ${directory}`, () => files.readdir(directory));
  // A file that cannot be removed takes space, but harms no rotation.
  for (const name of names)
    if (ownerOfTemporary(name) === userId)
      await files.rm(`${directory}/${name}`, { force: true }).catch(() => undefined);
}

/** The owner of an unfinished file: `.<userid>.tmp`, or one with a name in between. */
function ownerOfTemporary(name: string): UserId | undefined {
  return parseUserId(/^\.([0-9]+)\.(\w+\.){0,2}tmp$/.exec(name)?.[1]);
}

/**
 * Reads a token file in any form that a person may have given it. The last line counts. It may also be Withings' JSON
 * answer to the token call: whole or just its body, on one line or many.
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
  // `curl … > tokens/1234` writes no final newline, so `echo … >>` continues the same line.
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

/** @param what continues "the token file …" */
function unreadable(path: string, what: string): Trouble {
  const hint = 'Run "weighbridge login", or put the refresh token into the file.';
  return new Trouble(`the token file ${path} ${what}`, { code: 'token_unreadable', recovery: 'login', hint });
}

/** How long ago this token was sent, if it was the last. The lock file has its fingerprint and the time. */
async function readTry(files: FileSystem, path: string, token: RefreshToken): Promise<number | undefined> {
  const text = (await files.readFile(path)).toString('latin1');
  // File times have fractions of a millisecond, the clock does not.
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
