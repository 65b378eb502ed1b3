import { Appli } from './notification.ts';
import type { UserId } from './token.ts';

export type BedKind = 'in_bed' | 'out_of_bed';

/** The bed events by category of notifications. */
export const BED_KINDS: ReadonlyMap<number, BedKind> = new Map([
  [Appli.inBed, 'in_bed'],
  [Appli.outOfBed, 'out_of_bed'],
]);

/** A person went to bed, or got up. The notification is the only source: Withings has nothing to fetch. */
export interface BedEvent {
  readonly userId: UserId;
  readonly kind: BedKind;
  readonly at: Date;
  /** The id of the mat under the mattress. */
  readonly deviceId: string | undefined;
}

/** A stored event; `number` counts events in their order of arrival. */
export type NumberedBedEvent = BedEvent & { readonly number: number };

/** Equal for the same person, kind and date. A caller could repeat an event with another device. */
export function bedKey({ userId, kind, at }: BedEvent): string {
  return JSON.stringify([userId, kind, at.getTime()]);
}

/** The bed events of the last weeks, and each person's newest one. */
export interface BedEvents {
  /** The person's newest event by its date. A late one does not change it. */
  newest(userId: UserId): NumberedBedEvent | undefined;
  /** Whether the same event is already stored, by `bedKey`. */
  has(event: BedEvent): boolean;
  /** Reads the stored events, unless an earlier call succeeded, and returns `last`. Fails with a `Trouble`. */
  load(): Promise<number>;
  /** Stores the event durably, once. If it fails with a `Trouble`, the event is not stored. */
  append(event: BedEvent): Promise<void>;
  /** The number of the last event; 0 before the first. */
  readonly last: number;
  /** The events after this number. */
  after(number: number): readonly NumberedBedEvent[];
  /** Calls `wake` after each event, until it is disposed. */
  onGrowth(wake: () => void): Disposable;
}

/** A publisher's offset in the bed events. */
export interface BedOffsetStore {
  load(publisher: string): Promise<number | undefined>;
  save(publisher: string, number: number): Promise<void>;
}

/** A bed event on its way out. */
export interface BedDelivery {
  readonly event: BedEvent;
  /** There is a newer event, or this one is older than `ANNOUNCE_MAX_AGE`: states may change, nothing is announced. */
  readonly late: boolean;
}

/** The newest event, unless it is from before the person was linked: weighbridge missed later ones. */
export function currentBed<T extends BedEvent>(newest: T | undefined, linkedAt: Date | undefined): T | undefined {
  return newest !== undefined && linkedAt !== undefined && newest.at < linkedAt ? undefined : newest;
}

/** `in bed`, `out of bed` */
export function describeBed({ kind }: Pick<BedEvent, 'kind'>): string {
  return kind.replaceAll('_', ' ');
}
