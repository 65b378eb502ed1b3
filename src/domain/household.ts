import type { WeightUnit } from './format.ts';
import type { UserId } from './token.ts';

/** The household's names and unit. */
export interface People {
  readonly names: ReadonlyMap<UserId, string>;
  readonly unit: WeightUnit;
}

/** `Anna (1234)`, or `User 1234`. */
export function nameOf(userId: UserId, { names }: Pick<People, 'names'>): string {
  const name = names.get(userId);
  return name === undefined ? `User ${userId}` : `${name} (${userId})`;
}
