import { createHash } from 'node:crypto';
import {
  parseRefreshToken,
  parseUserId,
  type RefreshToken,
  type TokenReservation,
  type TokenStore,
  type UserId,
} from '../domain/token.ts';
import { Trouble } from '../domain/trouble.ts';
import { type FileSystem, isMissing, nodeFiles, reserve, storageTrouble } from './files.ts';
import { lockFile } from './lock.ts';

/**
 * One file per user, named by the user id: the refresh token and a newline, mode 0600.
 *
 * Beside it `.<userid>.lock` is what processes lock, and tells which token was sent to Withings last (as the start
 * of its SHA-256) and when; `.<userid>.tmp` is the next token file while it is being written. `.<userid>.access` is
 * what `access-files.ts` keeps there.
 *
 * @param directory where the files are; it exists
 */
export function createTokenFiles(directory: string, files: FileSystem = nodeFiles): TokenStore {
  const tokenPath = (userId: UserId) => `${directory}/${userId}`;
  const lockPath = (userId: UserId) => `${directory}/.${userId}.lock`;
  const temporaryPath = (userId: UserId) => `${directory}/.${userId}.tmp`;

  return {
    async list() {
      try {
        const names = await files.readdir(directory);
        return names.map(parseUserId).filter((userId) => userId !== undefined);
      } catch (error) {
        throw storageTrouble(`read the directory ${directory}`, error);
      }
    },

    async load(userId) {
      const path = tokenPath(userId);
      let text: string;
      try {
        text = (await files.readFile(path)).toString('utf8');
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw storageTrouble(`read ${path}`, error);
      }
      const token = readToken(text);
      if (token === undefined) throw unreadable(path, text);
      return token;
    },

    lock: (userId, signal) => lockFile(lockPath(userId), signal),

    async reserve(userId, current): Promise<TokenReservation> {
      const path = tokenPath(userId);
      try {
        const triedMsAgo = current && (await readTry(files, lockPath(userId), current));
        const slot = await reserve(files, path, temporaryPath(userId));
        return {
          triedMsAgo,
          sending: async () => {
            if (current !== undefined) await writeTry(files, lockPath(userId), current);
          },
          save: (token) =>
            slot.commit(`${token}\n`).catch((error) => {
              throw storageTrouble(`write ${path}`, error);
            }),
          [Symbol.asyncDispose]: () => slot[Symbol.asyncDispose](),
        };
      } catch (error) {
        throw storageTrouble(`write ${path}`, error);
      }
    },
  };
}

/** When the user's token file was written; undefined where nobody can tell. */
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

/** How long a start waits for somebody who holds a lock. */
const SWEEP_PATIENCE_MS = 1_000;

/** Removes what a killed process left half-written, where nobody is at work. */
export async function sweepTokenFiles(directory: string, files: FileSystem = nodeFiles): Promise<void> {
  for (const name of await files.readdir(directory)) {
    const userId = parseUserId(/^\.([0-9]+)\.(access\.)?tmp$/.exec(name)?.[1]);
    if (userId === undefined) continue;
    try {
      await using _lock = await lockFile(`${directory}/.${userId}.lock`, AbortSignal.timeout(SWEEP_PATIENCE_MS));
      await files.rm(`${directory}/${name}`, { force: true });
    } catch {
      // Somebody is rotating this login right now, and will clean up.
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
  try {
    const handle = await files.open(path, 'r+');
    try {
      await handle.write(fingerprint(token), 0);
      await handle.truncate(fingerprint(token).length);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageTrouble(`write ${path}`, error);
  }
}

export function fingerprint(token: RefreshToken): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16);
}
