import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import type { PersonState, PersonStore } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';

/** What is known of each person beyond the life of this process. */
export interface PersonStates {
  of(userId: UserId): Promise<PersonState>;
  /** The state as this process has last read or changed it, without touching the disk. */
  remembered(userId: UserId): PersonState | undefined;
  /** Writes nothing where nothing has changed. Where the disk does not take the state, that is logged and no more. */
  change(userId: UserId, change: (before: PersonState) => PersonState): Promise<void>;
}

export function createPersonStates({ people, log }: { readonly people: PersonStore; readonly log: Log }): PersonStates {
  const known = new Map<UserId, PersonState>();
  // Otherwise a read that runs beside a change would remember what was there before.
  const inTurn = createKeyedMutex();

  const read = async (userId: UserId) => {
    const state = await people.load(userId);
    known.set(userId, state);
    return state;
  };

  const write = async (userId: UserId, change: (before: PersonState) => PersonState) => {
    const before = await read(userId);
    const after = change(before);
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    known.set(userId, after);
    try {
      await people.save(userId, after);
    } catch (error) {
      const text = `cannot note how things stand with user ${userId}: ${error instanceof Error ? error.message : error}`;
      log.warn({ event: 'trouble', text, userid: userId });
    }
  };

  return {
    of: (userId) => inTurn(userId, () => read(userId)),
    remembered: (userId) => known.get(userId),
    change: (userId, change) => inTurn(userId, () => write(userId, change)),
  };
}
