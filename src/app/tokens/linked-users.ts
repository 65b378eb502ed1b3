import type { Clock } from '../../domain/clock.ts';
import type { TokenStore, UserId } from '../../domain/token.ts';

/** Reading the tokens directory is cheap. Still, a stranger who posts user ids must not cause thousands of reads. */
const LOOK_AGAIN_MS = 1_000;

/** The people with a refresh token, without disk access. People are added while the program runs. */
export interface LinkedUsers {
  has(userId: UserId): boolean;
  /** Reads the tokens directory again, once a second at most; simultaneous requests wait for the same read. */
  refresh(): Promise<readonly UserId[]>;
}

export function createLinkedUsers({
  tokens,
  clock,
}: {
  readonly tokens: TokenStore;
  readonly clock: Clock;
}): LinkedUsers {
  let list: readonly UserId[] = [];
  let users: ReadonlySet<UserId> = new Set();
  let lookedMs = Number.NEGATIVE_INFINITY;
  let nextLook: Promise<void> | undefined;

  const look = async () => {
    const waitMs = lookedMs + LOOK_AGAIN_MS - clock.elapsedMs();
    if (waitMs > 0) await clock.sleep(waitMs);
    lookedMs = clock.elapsedMs();
    list = await tokens.list();
    users = new Set(list);
  };

  return {
    has: (userId) => users.has(userId),
    async refresh() {
      nextLook ??= look().finally(() => {
        nextLook = undefined;
      });
      await nextLook;
      return list;
    },
  };
}

/** Drops the entries of people who are no longer linked. */
export function dropUnlinked(kept: Map<UserId, unknown>, { has }: Pick<LinkedUsers, 'has'>): void {
  for (const userId of kept.keys()) if (!has(userId)) kept.delete(userId);
}
