import type { StoredStatusPorts } from '../app/status/stored-status.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../domain/log.ts';
import { createPersonFiles } from '../storage/person-files.ts';
import { createCursorFiles } from '../storage/progress-files.ts';
import { createAccessFiles, createTokenFiles, tokenWritten } from '../storage/token-files.ts';

/** Where things are in the data directory. */
export const cursorsIn = (data: string) => `${data}/cursors`;
export const peopleIn = (data: string) => `${data}/people`;
export const journalIn = (data: string) => `${data}/measures.jsonl`;

/** The files that tell how things stand with a person, for reading. */
export function storedStatusPorts({ tokens, data }: Config['directories'], log: Log): StoredStatusPorts {
  return {
    tokens: createTokenFiles(tokens),
    accesses: createAccessFiles(tokens),
    cursors: createCursorFiles(cursorsIn(data), log),
    people: createPersonFiles(peopleIn(data)),
    loginWritten: (userId) => tokenWritten(tokens, userId),
  };
}
