import type { PersonStatus, Status, TroubleStatus } from '../domain/status.ts';
import { nameOf } from './parts.ts';
import { list } from './words.ts';

/** Something that does not work, for everybody it does not work for. */
export interface Outage {
  readonly text: string;
  readonly since: Date;
  readonly isLasting: boolean;
}

/** @param troubles the oldest first, which says since when it is */
export function outagesOf(troubles: readonly TroubleStatus[], { people }: Pick<Status, 'people'>): Outage[] {
  const groups = new Map<string, { readonly first: TroubleStatus; readonly text: string; readonly names: string[] }>();
  for (const trouble of troubles) {
    const person = people.find(({ userId }) => userId === trouble.userId);
    const text = person === undefined ? trouble.text : withoutName(trouble.text, person);
    const key = `${trouble.code} ${text}`;
    const group = groups.get(key) ?? { first: trouble, text, names: [] };
    groups.set(key, group);
    if (person !== undefined) group.names.push(nameOf(person));
  }
  return [...groups.values()].map(({ first: { since, isLasting }, text, names }) => {
    return { since, isLasting, text: names.length === 0 ? text : `${list(names)}: ${text}` };
  });
}

/** A line of the log begins with whom it is about: `Anna 1234: `, or the number alone. */
function withoutName(text: string, { name, userId }: PersonStatus): string {
  const about = `${name === undefined ? '' : `${name} `}${userId}: `;
  return text.startsWith(about) ? text.slice(about.length) : text;
}
