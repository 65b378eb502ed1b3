import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import type { PersonState, PersonStore } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';

/** What is known of each person beyond the life of this process. */
export interface PersonStates {
  of(userId: UserId): Promise<PersonState>;
  /** Changes a record; writes nothing where nothing has changed. A disk that does not take it is told of and no more. */
  change(userId: UserId, change: (before: PersonState) => PersonState): Promise<void>;
}

export function createPersonStates({ people, log }: { readonly people: PersonStore; readonly log: Log }): PersonStates {
  const inTurn = createKeyedMutex();

  const write = async (userId: UserId, change: (before: PersonState) => PersonState) => {
    const before = await people.load(userId);
    const after = change(before);
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    try {
      await people.save(userId, after);
    } catch (error) {
      const text = `cannot note how things stand with user ${userId}: ${error instanceof Error ? error.message : error}`;
      log.warn({ event: 'trouble', text, userid: userId });
    }
  };

  return {
    of: (userId) => people.load(userId),
    change: (userId, change) => inTurn(userId, () => write(userId, change)),
  };
}
