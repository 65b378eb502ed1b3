import type { UserId } from './token.ts';

/** A quantity's value, and when it was measured. */
export interface Value {
  readonly value: number;
  readonly takenAt: Date;
}

/** What a publisher has left with its broker, which keeps it until somebody clears it. */
export interface Retained {
  readonly topics: ReadonlySet<string>;
  /** What stands on them: the person's value of each quantity. */
  readonly values: ReadonlyMap<UserId, ReadonlyMap<string, Value>>;
}

/** Remembers it beyond the life of the process, so that nothing stays behind of somebody who is gone. */
export interface RetainedStore {
  /** Nothing is known without a record, nor from one that cannot be read. */
  load(): Promise<Retained>;
  save(retained: Retained): Promise<void>;
}
