/** Runs one piece of work at a time for each key. Others wait in their order of arrival. */
export type KeyedMutex = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Remembers each key, so the keys must be few: the people of a household. */
export function createKeyedMutex(): KeyedMutex {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work, work);
    last.set(key, turn);
    return turn;
  };
}
