import type { RawGroup } from './measures.ts';

/** How Withings takes back a group of a person. */
export type TakenBack = 'emptied' | 'ambiguous' | 'deleted' | { readonly movedTo: string };

/** The rest of the group at Withings afterwards, and its user. */
export interface Left {
  readonly userId: string;
  readonly group: RawGroup;
}

const AMBIGUOUS = 1;
const CONFIRMED = 7;

/** Undefined if Withings has nothing of the group afterwards. */
export function takenBack(userId: string, group: RawGroup, how: TakenBack, nowSeconds: number): Left | undefined {
  const changed = { ...group, modified: Math.max(nowSeconds, group.modified + 1) };
  if (how === 'deleted') return undefined;
  if (how === 'emptied') return { userId, group: { ...changed, measures: [] } };
  if (how === 'ambiguous') return { userId, group: { ...changed, attrib: AMBIGUOUS } };
  return { userId: how.movedTo, group: { ...changed, attrib: CONFIRMED } };
}
