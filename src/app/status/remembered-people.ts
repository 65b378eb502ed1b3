import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { PersonState, PersonStore } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';

/** Records that are also known without touching the disk, as they were when somebody here last read or saved them. */
export interface RememberedPeople extends PersonStore {
  remembered(userId: UserId): PersonState | undefined;
}

export function rememberPeople(people: PersonStore): RememberedPeople {
  const known = new Map<UserId, PersonState>();
  // Otherwise somebody who reads while another saves would remember what was there before.
  const inTurn = createKeyedMutex();
  return {
    remembered: (userId) => known.get(userId),
    load: (userId) =>
      inTurn(userId, async () => {
        const state = await people.load(userId);
        known.set(userId, state);
        return state;
      }),
    save: (userId, state) =>
      inTurn(userId, async () => {
        // Also true where the disk does not take it.
        known.set(userId, state);
        await people.save(userId, state);
      }),
  };
}
