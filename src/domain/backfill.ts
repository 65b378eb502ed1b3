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
  /**
   * Lets no other backfill run, in any process.
   *
   * @throws Trouble `backfill_running`
   */
  lock(): Promise<AsyncDisposable>;
}

/** A backfill that the page asked for, as it stands. */
export interface BackfillRun {
  readonly userId: UserId;
  readonly state: 'running' | 'done' | 'failed';
  /** How much of the time is fetched, between 0 and 1. */
  readonly share: number;
  /** How far it has come, why it waits, what it has brought, or why it failed. */
  readonly text: string;
}
