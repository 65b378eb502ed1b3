import type { RefreshToken, TokenStore, UserId } from '../../src/domain/token.ts';

/** Creates a store of logins in memory with the contract of the token files. */
export function createMemoryTokens(
  tokens: Map<UserId, RefreshToken> = new Map(),
  now: () => number = Date.now,
): TokenStore {
  const tried = new Map<UserId, { readonly token: RefreshToken | undefined; readonly at: number }>();
  /** Resolves when the last holder in each user's queue is done. */
  const queues = new Map<UserId, Promise<void>>();

  return {
    list: async () => [...tokens.keys()],
    load: async (userId) => tokens.get(userId),
    async lock(userId, signal) {
      const turn = queues.get(userId) ?? Promise.resolve();
      const { promise: released, resolve: release } = makeLatch();
      queues.set(
        userId,
        turn.then(() => released),
      );
      try {
        await Promise.race([turn, aborted(signal)]);
      } catch (error) {
        release();
        throw error;
      }
      return {
        async reserve(current) {
          const before = tried.get(userId);
          const isSame = current !== undefined && before?.token === current;
          return {
            triedMsAgo: isSame ? now() - before.at : undefined,
            spare: undefined,
            sending: async () => void tried.set(userId, { token: current, at: now() }),
            save: async (token) => void tokens.set(userId, token),
            dropSpare: async () => undefined,
            [Symbol.asyncDispose]: async () => undefined,
          };
        },
        [Symbol.asyncDispose]: async () => release(),
      };
    },
  };
}

function makeLatch(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted === true) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
