import { parseTime } from '../domain/dates.ts';
import { type Hitch, NOTHING_KNOWN, type PersonState, type PersonStore } from '../domain/status.ts';
import type { UserId } from '../domain/token.ts';
import { type FileSystem, nodeFiles, replaceFile, storageTrouble } from './files.ts';

/**
 * One file per user, JSON. Nothing in it is irreplaceable: a file that cannot be read counts as none.
 *
 * @param directory where the files are; it exists
 */
export function createPersonFiles(directory: string, files: FileSystem = nodeFiles): PersonStore {
  const path = (userId: UserId) => `${directory}/${userId}`;
  return {
    async load(userId) {
      try {
        return decode(JSON.parse((await files.readFile(path(userId))).toString('utf8')));
      } catch {
        return NOTHING_KNOWN;
      }
    },
    async save(userId, state) {
      try {
        await replaceFile(files, path(userId), `${JSON.stringify(encode(state))}\n`);
      } catch (error) {
        throw storageTrouble(`write ${path(userId)}`, error);
      }
    },
  };
}

function encode({ linkedAt, linkedBy, needsLogin, subscription, leaveUnsubscribed }: PersonState) {
  const fields = { linked_at: linkedAt, linked_by: linkedBy, needs_login: needsLogin, subscription };
  return leaveUnsubscribed ? { ...fields, leave_unsubscribed: true } : fields;
}

type Fields = Readonly<Record<string, unknown>>;

function decode(fields: Fields): PersonState {
  const { subscription } = fields;
  return {
    linkedAt: parseTime(fields['linked_at']),
    linkedBy: text(fields['linked_by']),
    needsLogin: hitch(fields['needs_login']),
    subscription: isFields(subscription)
      ? { applis: numbers(subscription['applis']), hitch: hitch(subscription['hitch']) }
      : undefined,
    leaveUnsubscribed: fields['leave_unsubscribed'] === true,
  };
}

function hitch(value: unknown): Hitch | undefined {
  if (!isFields(value)) return undefined;
  const since = parseTime(value['since']);
  return since && { since, reason: text(value['reason']) ?? '' };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numbers(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.filter(Number.isInteger) : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
