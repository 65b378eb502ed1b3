import { existsSync } from 'node:fs';
import { openCommand, readPeople } from './open-command.ts';
import { ExitCode, readUserId, type Shell } from './shell.ts';

/** Prints an access token that is valid for a call now. Rotates only if no process on this machine has one. */
export async function printToken(
  shell: Shell,
  argument: string,
  options: { readonly json?: boolean },
): Promise<ExitCode> {
  const userId = readUserId(argument);
  const { core, config } = openCommand(shell);
  if (existsSync(config.directories.tokens)) await readPeople(shell, core.tokens, argument);
  const { accessToken, refreshToken, expiresInMs, scope } = await core.obtainLogin(userId);
  const answer = {
    userid: userId,
    access_token: accessToken,
    refresh_token: refreshToken,
    expires_in: Math.floor(expiresInMs / 1000),
    scope,
    token_type: 'Bearer',
  };
  shell.print(options.json ? JSON.stringify(answer) : accessToken);
  return ExitCode.done;
}
