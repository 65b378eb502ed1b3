import { Appli } from './notification.ts';
import type { UserId } from './token.ts';

export type BedKind = 'in_bed' | 'out_of_bed';

/** What a category of notifications says of a person. */
export const BED_KINDS: ReadonlyMap<number, BedKind> = new Map([
  [Appli.inBed, 'in_bed'],
  [Appli.outOfBed, 'out_of_bed'],
]);

/** A person has gone to bed, or got up. The notification is all there is of it: Withings has nothing to fetch. */
export interface BedEvent {
  readonly userId: UserId;
  readonly kind: BedKind;
  readonly at: Date;
  /** Of the mat under the mattress. */
  readonly deviceId: string | undefined;
}

/** One of the events that are kept; `number` counts them in the order in which they came. */
export type NumberedBedEvent = BedEvent & { readonly number: number };

/** Equal for the same person, kind and date. A caller that sends an event again could change the device. */
export function bedKey({ userId, kind, at }: BedEvent): string {
  return JSON.stringify([userId, kind, at.getTime()]);
}

/** The bed events of the last weeks, and each person's newest one. */
export interface BedEvents {
  /** The person's newest event by its date. One that comes late does not change it. */
  newest(userId: UserId): NumberedBedEvent | undefined;
  /** Whether the same event is kept already, by `bedKey`. */
  has(event: BedEvent): boolean;
  /** Reads what is kept, unless that has worked before, and returns `last`. Fails with a `Trouble`. */
  load(): Promise<number>;
  /** Keeps it durably, once. Fails with a `Trouble`, and then it is not kept. */
  append(event: BedEvent): Promise<void>;
  /** The number of the last event; 0 before the first. */
  readonly last: number;
  /** Those that came after the event with this number. */
  after(number: number): readonly NumberedBedEvent[];
  /** Calls `wake` after each event, until it is disposed. */
  onGrowth(wake: () => void): Disposable;
}

/** How far a publisher has come in the bed events. */
export interface BedOffsetStore {
  load(publisher: string): Promise<number | undefined>;
  save(publisher: string, number: number): Promise<void>;
}

/** A bed event on its way out. */
export interface BedDelivery {
  readonly event: BedEvent;
  /** There is a newer one, or it is older than `ANNOUNCE_MAX_AGE`: states may change, nothing is announced. */
  readonly late: boolean;
}

/** The newest event, unless it is of before the person was linked: weighbridge missed what happened until then. */
export function currentBed<T extends BedEvent>(newest: T | undefined, linkedAt: Date | undefined): T | undefined {
  return newest !== undefined && linkedAt !== undefined && newest.at < linkedAt ? undefined : newest;
}

/** `in bed`, `out of bed` */
export function describeBed({ kind }: Pick<BedEvent, 'kind'>): string {
  return kind.replaceAll('_', ' ');
}
