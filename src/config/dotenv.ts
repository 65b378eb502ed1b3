import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { errorCode } from '../domain/trouble.ts';
import { ENV_CREDENTIAL } from '../systemd/paths.ts';
import { type Source, secretCredentials } from './sources.ts';

/** A file of settings; empty where there is none. One that cannot be read is told, and counts as empty. */
export function readDotenv(path: string, warn: (line: string) => void): Source {
  try {
    return parse(readFileSync(path));
  } catch (error) {
    const isMissing = errorCode(error) === 'ENOENT';
    if (!isMissing) warn(`warning: cannot read ${path}: ${error}`);
    return {};
  }
}

/** What stands in a directory of credentials: secrets, each in a file of its own, and a whole `.env`. */
export function readCredentials(directory: string | undefined, warn: (line: string) => void): readonly Source[] {
  if (directory === undefined || !existsSync(directory)) return [];
  return [secretCredentials(directory, readdirSync(directory)), readDotenv(`${directory}/${ENV_CREDENTIAL}`, warn)];
}
