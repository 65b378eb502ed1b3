import type { RawGroup } from './measures.ts';

/** How Withings takes back what it said of a person. */
export type TakenBack = 'emptied' | 'ambiguous' | 'deleted' | { readonly movedTo: string };

/** What Withings has of the group afterwards, and at whom. */
export interface Left {
  readonly userId: string;
  readonly group: RawGroup;
}

const AMBIGUOUS = 1;
const CONFIRMED = 7;

/** Undefined where Withings has nothing of the group afterwards. */
export function takenBack(userId: string, group: RawGroup, how: TakenBack, nowSeconds: number): Left | undefined {
  const changed = { ...group, modified: Math.max(nowSeconds, group.modified + 1) };
  if (how === 'deleted') return undefined;
  if (how === 'emptied') return { userId, group: { ...changed, measures: [] } };
  if (how === 'ambiguous') return { userId, group: { ...changed, attrib: AMBIGUOUS } };
  return { userId: how.movedTo, group: { ...changed, attrib: CONFIRMED } };
}
