import { existsSync, fstatSync, readdirSync, readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { type Source, secretCredentials } from './sources.ts';
import { ENV_CREDENTIAL } from './systemd/place.ts';

/** What a process finds around itself when it starts. It is told of its environment, and asks for none. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A file of settings; empty where there is none. One that cannot be read is told, and counts as empty. */
export function readDotenv(path: string, warn: (line: string) => void): Source {
  try {
    return parse(readFileSync(path));
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) warn(`warning: cannot read ${path}: ${error}`);
    return {};
  }
}

/** What stands in a directory of credentials: secrets, each in a file of its own, and a whole `.env`. */
export function readCredentials(directory: string | undefined, warn: (line: string) => void): readonly Source[] {
  if (directory === undefined || !existsSync(directory)) return [];
  return [secretCredentials(directory, readdirSync(directory)), readDotenv(`${directory}/${ENV_CREDENTIAL}`, warn)];
}

/** systemd names the device and the inode of the journal, because the variable outlives a redirection. */
export function goesToJournal({ JOURNAL_STREAM: journal }: Environment, descriptor: number): boolean {
  if (!journal) return false;
  const { dev, ino } = fstatSync(descriptor);
  return journal === `${dev}:${ino}`;
}

/** As the journal reads it: each line with its weight in front, sd-daemon(3). */
export function withPriority(text: string): string {
  return text.replace(/^(error:|warning:)?/gm, (word) => `<${word === '' ? 6 : word === 'error:' ? 3 : 4}>${word}`);
}
