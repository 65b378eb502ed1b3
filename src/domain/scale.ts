import type { Account, UserId } from './token.ts';

export const BATTERIES = ['low', 'medium', 'high'] as const;
export type Battery = (typeof BATTERIES)[number];

/** A scale, as Withings describes it for one of its users. */
export interface Scale {
  /** Withings' `deviceid`, the same for everyone who uses the scale. It is a part of topics and ids. */
  readonly id: string;
  /** Withings' name of the model. */
  readonly model: string | undefined;
  readonly battery: Battery | undefined;
  /** When the scale last sent data to Withings. */
  readonly lastContact: Date | undefined;
  /** The time of Withings' description. */
  readonly seenAt: Date;
}

/** Withings' user service, for the scales of a person's account. */
export interface ScaleSource {
  getScales(account: Account): Promise<readonly Omit<Scale, 'seenAt'>[]>;
}

export function parseScaleId(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{1,128}$/.test(value) ? value : undefined;
}

export function parseBattery(value: unknown): Battery | undefined {
  return BATTERIES.find((battery) => battery === value);
}

/** `Body+` */
export function modelOf({ model }: Pick<Scale, 'model'>): string {
  return model ?? 'scale';
}

/** A scale, and its users in the household. */
export interface HouseholdScale extends Scale {
  /** The users, sorted by number; at least one. */
  readonly userIds: readonly UserId[];
}

interface WithScales {
  readonly userId: UserId;
  readonly scales: readonly Scale[];
}

/** Each scale once, from the newest answer, sorted by id. */
export function scalesOfHousehold(people: readonly WithScales[]): readonly HouseholdScale[] {
  const found = new Map<string, HouseholdScale>();
  for (const { userId, scales } of [...people].sort((one, other) => Number(one.userId) - Number(other.userId))) {
    for (const scale of scales) {
      const known = found.get(scale.id);
      const newest = known !== undefined && known.seenAt >= scale.seenAt ? known : scale;
      found.set(scale.id, { ...newest, userIds: [...(known?.userIds ?? []), userId] });
    }
  }
  return [...found.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** A warning: everything still works. */
export interface LowBattery {
  readonly code: 'battery_low';
  readonly text: string;
  readonly scale: HouseholdScale;
}

export function lowBatteries(people: readonly WithScales[]): readonly LowBattery[] {
  return scalesOfHousehold(people)
    .filter(({ battery }) => battery === 'low')
    .map((scale) => ({ code: 'battery_low', text: tellLow(scale), scale }));
}

/** `The battery of the Body+ is low. Replace or charge it.` */
export function tellLow(scale: Pick<Scale, 'model'>): string {
  return `The battery of the ${modelOf(scale)} is low. Replace or charge it.`;
}
