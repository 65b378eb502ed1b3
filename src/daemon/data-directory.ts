import type { StoredStatusPorts } from '../app/status/stored-status.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../domain/log.ts';
import type { UserId } from '../domain/token.ts';
import { createPersonFiles } from '../storage/person-files.ts';
import { createCursorFiles } from '../storage/progress-files.ts';
import { createAccessFiles, createTokenFiles, tokenWritten } from '../storage/token-files.ts';

/** Every path in the data directory. */
export const journalIn = (data: string) => `${data}/measures.jsonl`;
export const unreadableIn = (data: string) => `${data}/unreadable.jsonl`;
export const bedIn = (data: string) => `${data}/bed.jsonl`;
export const cursorsIn = (data: string) => `${data}/cursors`;
export const peopleIn = (data: string) => `${data}/people`;
export const linksIn = (data: string) => `${data}/links`;
export const backfillIn = (data: string) => `${data}/backfill`;
export const publishersIn = (data: string) => `${data}/publishers`;
export const retainedIn = (data: string) => `${publishersIn(data)}/mqtt.retained`;
export const parkedIn = (data: string) => `${publishersIn(data)}/hook.parked.jsonl`;

/** The names of a person's files in the tokens directory, as `token-files.ts` writes them. */
export function loginFiles(userId: UserId) {
  return { token: userId, access: `.${userId}.access`, spare: `.${userId}.spare`, lock: `.${userId}.lock` };
}

/** The files that hold a person's status, for reading. */
export function storedStatusPorts({ tokens, data }: Config['directories'], log: Log): StoredStatusPorts {
  return {
    tokens: createTokenFiles(tokens),
    accesses: createAccessFiles(tokens),
    cursors: createCursorFiles(cursorsIn(data), log),
    people: createPersonFiles(peopleIn(data)),
    loginWritten: (userId) => tokenWritten(tokens, userId),
  };
}
