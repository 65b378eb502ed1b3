/** Lets a few in at a time; the others wait in the order they came. */
export interface Lanes {
  /** Resolves with a place, or with nothing when the signal aborts first. */
  enter(signal?: AbortSignal): Promise<Disposable | undefined>;
}

export function createLanes(count: number): Lanes {
  let free = count;
  const waiting = new Set<() => void>();
  const place = {
    [Symbol.dispose]() {
      const [next] = waiting;
      if (next === undefined) free += 1;
      else next();
    },
  };
  return {
    async enter(signal) {
      if (free > 0) {
        free -= 1;
        return place;
      }
      return await new Promise((resolve) => {
        const admit = () => {
          waiting.delete(admit);
          signal?.removeEventListener('abort', leave);
          resolve(place);
        };
        const leave = () => {
          waiting.delete(admit);
          resolve(undefined);
        };
        waiting.add(admit);
        signal?.addEventListener('abort', leave, { once: true });
      });
    },
  };
}
