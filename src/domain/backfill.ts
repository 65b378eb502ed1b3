import type { UserId } from './token.ts';

/** The range from one moment to another, which is excluded. Without an end, up to now. */
export interface BackfillRange {
  readonly since: Date;
  readonly until: Date | undefined;
}

/** The progress of fetching a person's history. */
export interface BackfillProgress extends BackfillRange {
  /** The journal holds everything before it. */
  readonly next: Date;
}

/** Stores where a killed backfill continues. */
export interface BackfillStore {
  /** Undefined without a readable one: a backfill that begins anew fetches more, but journals nothing twice. */
  load(userId: UserId): Promise<BackfillProgress | undefined>;
  save(userId: UserId, progress: BackfillProgress): Promise<void>;
  remove(userId: UserId): Promise<void>;
  /**
   * Blocks other backfills, in any process.
   *
   * @throws Trouble `backfill_running`
   */
  lock(): Promise<AsyncDisposable>;
}

/** The state of a backfill that the page started. */
export interface BackfillRun {
  readonly userId: UserId;
  readonly state: 'running' | 'done' | 'failed';
  /** The fetched share of the time, between 0 and 1. */
  readonly share: number;
  /** The progress, the reason of a wait, the result, or the failure. */
  readonly text: string;
}
