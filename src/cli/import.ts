import { readFile } from 'node:fs/promises';
import { parseRefreshToken, parseUserId, type RefreshToken, type UserId } from '../domain/token.ts';
import { errorCode, Trouble } from '../domain/trouble.ts';
import { makeDirectory } from '../storage/files.ts';
import { createTokenFiles } from '../storage/token-files.ts';
import { readSettings } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

/**
 * Stores the login that a token call by hand has answered.
 *
 * @param file the JSON that curl printed; standard input without it
 */
export async function importLogin(shell: Shell, file: string | undefined): Promise<ExitCode> {
  const config = readSettings(shell, 'files');
  const text = file === undefined ? await shell.readInput() : await readAnswerFile(file);
  const { userId, refreshToken } = readAnswer(text);
  const { tokens: directory } = config.directories;
  await makeDirectory(directory);
  const tokens = createTokenFiles(directory);
  await using lock = await tokens.lock(userId, shell.signal);
  await using slot = await lock.reserve(undefined);
  await slot.save(refreshToken);
  shell.print(`${directory}/${userId}`);
  shell.say(`User ${userId} is linked. A running weighbridge notices within a minute.`);
  return ExitCode.done;
}

async function readAnswerFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const isClosed = errorCode(error) === 'EACCES';
    if (!isClosed) throw error;
    const hint = 'hand it over with "weighbridge import < FILE"';
    throw new Trouble(`${path} is not for the owner of the logins to read`, {
      code: 'no_permission',
      recovery: 'settings',
      hint,
    });
  }
}

/** The login in the answer of a token call. */
function readAnswer(text: string): { readonly userId: UserId; readonly refreshToken: RefreshToken } {
  if (text.trim() === '') throw failure('nothing came in; pass on what the token call printed');
  const answer = parseJson(text);
  if (answer === undefined) throw failure('this is not JSON; pass on what the token call printed, as it is');
  const { status, error = '', errors, body = answer } = answer;
  const said = error || errors?.[0]?.message || '';
  const hasFailed = Number(status ?? 0) !== 0 || said !== '';
  const words = [status, said && `"${said}"`].filter((word) => word !== undefined && word !== '').join(' ');
  if (hasFailed) throw failure(`Withings answered ${words}; ${explain(said)}`);
  const userId = parseUserId(body.userid);
  const refreshToken = parseRefreshToken(body.refresh_token);
  if (userId === undefined) throw failure('there is no userid in it');
  if (refreshToken === undefined) throw failure('there is no refresh_token in it');
  return { userId, refreshToken };
}

function failure(message: string): ExitError {
  return new ExitError(ExitCode.failed, message);
}

interface TokenAnswer {
  readonly status?: unknown;
  readonly error?: string;
  readonly errors?: readonly { readonly message?: string }[];
  readonly body?: TokenAnswer;
  readonly userid?: unknown;
  readonly refresh_token?: unknown;
}

/**
 * The outermost object in it: what stands around it came along when it was copied from a terminal. `curl -i` prints the
 * headers first, and an object may be in one of those.
 */
function parseJson(text: string): TokenAnswer | undefined {
  const body = text.replace(/^\s*(HTTP\/.*?\r?\n\r?\n\s*)+/s, '');
  try {
    return JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1));
  } catch {
    return undefined;
  }
}

function explain(error: string): string {
  if (/redirect/i.test(error)) return 'the callback URL must be the one in the partner dashboard, letter by letter';
  if (/code/i.test(error)) return 'a code is valid for 30 seconds and once: open the consent link again and be quick';
  if (/client/i.test(error)) return 'compare the client id and secret with the partner dashboard';
  return 'open the consent link again; nothing was stored';
}
