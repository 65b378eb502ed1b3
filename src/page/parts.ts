import type { PersonStatus } from '../domain/status.ts';
import type { UserId } from '../domain/token.ts';

export function nameOf({ name, userId }: Pick<PersonStatus, 'name' | 'userId'>): string {
  return name ?? `User ${userId}`;
}

/** Of the person's part of the page. */
export function anchorOf(userId: UserId): string {
  return `u${userId}`;
}
