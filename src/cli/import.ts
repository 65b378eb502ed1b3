import { readFile } from 'node:fs/promises';
import { parseRefreshToken, parseUserId, type RefreshToken, type UserId } from '../domain/token.ts';
import { errorCode, Trouble } from '../domain/trouble.ts';
import { makeDirectory } from '../storage/files.ts';
import { createTokenFiles } from '../storage/token-files.ts';
import { readSettings } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

/**
 * Stores the login in the answer to a manual token call.
 *
 * @param file the JSON that curl printed; standard input without it
 */
export async function importLogin(shell: Shell, file: string | undefined): Promise<ExitCode> {
  const config = readSettings(shell, 'files');
  if (file === undefined && shell.keyboard !== undefined) shell.say('Paste the token response, then press Ctrl-D.');
  const text = file === undefined ? await shell.readInput() : await readAnswerFile(file);
  const { userId, refreshToken } = readAnswer(text);
  const { tokens: directory } = config.directories;
  await makeDirectory(directory);
  const tokens = createTokenFiles(directory);
  await using lock = await tokens.lock(userId, shell.signal);
  await using slot = await lock.reserve(undefined);
  await slot.save(refreshToken);
  shell.print(`${directory}/${userId}`);
  shell.say(`User ${userId} is linked. A running weighbridge uses the login within a minute.`);
  return ExitCode.done;
}

async function readAnswerFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') throw failure(`cannot read ${path}: no such file`);
    if (code !== 'EACCES') throw error;
    const hint = 'Run "weighbridge import < FILE".';
    throw new Trouble(`the user that owns the logins cannot read ${path}`, {
      code: 'no_permission',
      recovery: 'settings',
      hint,
    });
  }
}

/** The login in the answer of a token call. */
function readAnswer(text: string): { readonly userId: UserId; readonly refreshToken: RefreshToken } {
  if (text.trim() === '') throw failure('the input is empty. Pass the output of the token call.');
  const answer = parseJson(text);
  if (answer === undefined) throw failure('the input is not JSON. Pass the output of the token call unchanged.');
  const { status, error = '', errors, body = answer } = answer;
  const said = error || errors?.[0]?.message || '';
  const hasFailed = Number(status ?? 0) !== 0 || said !== '';
  const words = [status, said && `"${said}"`].filter((word) => word !== undefined && word !== '').join(' ');
  if (hasFailed) throw failure(`Withings answered ${words}. ${explain(said)}`);
  const userId = parseUserId(body.userid);
  const refreshToken = parseRefreshToken(body.refresh_token);
  if (userId === undefined) throw failure('the input is not a Withings token response (userid missing)');
  if (refreshToken === undefined) throw failure('the input is not a Withings token response (refresh_token missing)');
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
 * The outermost object in the text. Copying from a terminal may add text around it. `curl -i` prints the headers first,
 * and a header may contain an object.
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
  if (/redirect/i.test(error)) return 'Use exactly the callback URL of the Withings dashboard.';
  if (/code/i.test(error)) return 'A code works once, within 30 seconds. Open the consent link again, and be quick.';
  if (/client/i.test(error)) return 'Compare the client id and the secret with the Withings dashboard.';
  return 'Nothing was stored. Open the consent link again.';
}
