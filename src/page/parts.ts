import type { PersonVitals } from '../domain/status.ts';
import type { UserId } from '../domain/token.ts';

export function nameOf({ name, userId }: Pick<PersonVitals, 'name' | 'userId'>): string {
  return name ?? `User ${userId}`;
}

/** Of the person's part of the page. */
export function anchorOf(userId: UserId): string {
  return `u${userId}`;
}
