import type { UserId } from './token.ts';

/** From one moment up to another one that does not belong to it; without that, up to now. */
export interface BackfillRange {
  readonly since: Date;
  readonly until: Date | undefined;
}

/** How far a person's history has been fetched. */
export interface BackfillProgress extends BackfillRange {
  /** The journal holds everything before it. */
  readonly next: Date;
}

/** Where a backfill that was killed goes on. */
export interface BackfillStore {
  /** Undefined when there is none that can be read: a backfill that begins anew fetches more, and journals nothing twice. */
  load(userId: UserId): Promise<BackfillProgress | undefined>;
  save(userId: UserId, progress: BackfillProgress): Promise<void>;
  remove(userId: UserId): Promise<void>;
}
