import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import type { PersonState, PersonStore } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';

/** The state of each person that outlives this process. */
export interface PersonStates {
  of(userId: UserId): Promise<PersonState>;
  /** The state as this process last read or changed it, without disk access. */
  remembered(userId: UserId): PersonState | undefined;
  /**
   * Writes nothing if nothing changed. If the disk does not take the state, that is logged once. This process then
   * keeps the state until the file differs.
   */
  change(userId: UserId, change: (before: PersonState) => PersonState): Promise<void>;
}

export function createPersonStates({ people, log }: { readonly people: PersonStore; readonly log: Log }): PersonStates {
  const known = new Map<UserId, PersonState>();
  // Otherwise a read during a change would remember the old state.
  const inTurn = createKeyedMutex();

  /** The unsaved states, each with the content of the file at that time. */
  const unsaved = new Map<UserId, { readonly state: PersonState; readonly stored: string }>();

  const read = async (userId: UserId) => {
    const loaded = await people.load(userId);
    const stored = JSON.stringify(loaded);
    const waiting = unsaved.get(userId);
    // Another process wrote meanwhile.
    if (waiting?.stored !== stored) unsaved.delete(userId);
    const state = unsaved.get(userId)?.state ?? loaded;
    known.set(userId, state);
    return { state, stored };
  };

  const write = async (userId: UserId, change: (before: PersonState) => PersonState) => {
    const { state: before, stored } = await read(userId);
    const after = change(before);
    known.set(userId, after);
    const isReported = unsaved.delete(userId);
    if (JSON.stringify(after) === stored) return;
    try {
      await people.save(userId, after);
    } catch (error) {
      unsaved.set(userId, { state: after, stored });
      if (isReported) return;
      const text = `cannot store the status of user ${userId}: ${error instanceof Error ? error.message : error}`;
      log.warn({ event: 'trouble', text, userid: userId });
    }
  };

  return {
    of: (userId) => inTurn(userId, async () => (await read(userId)).state),
    remembered: (userId) => known.get(userId),
    change: (userId, change) => inTurn(userId, () => write(userId, change)),
  };
}
