import { parseSeconds } from '../domain/dates.ts';
import { type AccessStore, parseAccessToken, type UserId } from '../domain/token.ts';
import { type FileSystem, nodeFiles, reserve } from './files.ts';
import { fingerprint } from './token-files.ts';

/**
 * One file per user beside the token file, `.<userid>.access`, for this user's eyes only: the access token with what
 * tells which refresh token it came with, so that one left over from before a crash is not taken for the newest.
 *
 * @param directory where the token files are; it exists
 */
export function createAccessFiles(directory: string, files: FileSystem = nodeFiles): AccessStore {
  const path = (userId: UserId) => `${directory}/.${userId}.access`;
  return {
    async load(userId, refreshToken) {
      try {
        const fields = JSON.parse((await files.readFile(path(userId))).toString('utf8'));
        const { refresh, access_token, issued_at, expires_at, scope } = fields;
        const accessToken = parseAccessToken(access_token);
        const issuedAt = parseSeconds(issued_at);
        const expiresAt = parseSeconds(expires_at);
        if (refresh !== fingerprint(refreshToken) || !accessToken || !issuedAt || !expiresAt) return undefined;
        return {
          accessToken,
          issuedAt,
          expiresAt,
          scope: typeof scope === 'string' ? scope : undefined,
        };
      } catch {
        return undefined;
      }
    },
    async save(userId, refreshToken, { accessToken, issuedAt, expiresAt, scope }) {
      const fields = {
        refresh: fingerprint(refreshToken),
        access_token: accessToken,
        issued_at: Math.floor(issuedAt.getTime() / 1000),
        expires_at: Math.floor(expiresAt.getTime() / 1000),
        scope,
      };
      await using slot = await reserve(files, path(userId), `${path(userId)}.tmp`);
      await slot.commit(`${JSON.stringify(fields)}\n`);
    },
  };
}
