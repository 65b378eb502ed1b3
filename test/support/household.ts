import type { Clock } from '../../src/domain/clock.ts';
import type { RawGroup } from '../../src/sandbox/measures.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import type { Version } from './checker.ts';
import { PEOPLE, type Step } from './torture-plan.ts';

const AMBIGUOUS = 1;
const CONFIRMED = 7;

/** People who weigh in, and a record of all their groups at Withings. */
export interface Household {
  readonly versions: readonly Version[];
  readonly counts: { readonly weighIns: number; readonly changes: number; readonly takenBack: number };
  /** The groups that Withings deleted, the oldest first. */
  readonly deleted: readonly { readonly person: string; readonly group: RawGroup }[];
  /** Returns the new or changed groups that Withings then announces to subscribers. */
  perform(step: Exclude<Step, { what: 'profile' }>): readonly RawGroup[];
}

export function createHousehold({ sandbox, clock }: { readonly sandbox: Sandbox; readonly clock: Clock }): Household {
  const versions: Version[] = [];
  const counts = { weighIns: 0, changes: 0, takenBack: 0 };
  const deleted: { readonly person: string; readonly group: RawGroup }[] = [];
  const nowSeconds = () => Math.floor(clock.now().getTime() / 1000);

  const put = (userid: string, group: RawGroup) => {
    sandbox.measures.put(userid, group);
    return remember(userid, group);
  };

  const remember = (userid: string, group: RawGroup) => {
    const { grpid, modified } = group;
    versions.push({ userid, grpid, modified, shownAt: nowSeconds(), weight: weightOf(group) });
    return group;
  };

  const weigh = (step: Extract<Step, { what: 'weigh-in' }>) => {
    counts.weighIns += 1;
    const { person, kilograms, orElse, agoSeconds, lateSeconds } = step;
    const candidates = new Set([person, orElse ?? person]);
    const attrib = candidates.size > 1 ? AMBIGUOUS : 0;
    const stored = sandbox.store(person, { kilograms, date: nowSeconds() - agoSeconds, attrib });
    const groups = stored.map((group) => ({ ...group, modified: group.modified - lateSeconds }));
    for (const candidate of candidates) for (const group of groups) put(candidate, group);
    return groups;
  };

  /** Corrects or assigns a group, or adds late data of Withings. */
  const change = ({ person, which, kilograms }: Extract<Step, { what: 'change' }>) => {
    const groups = sandbox.measures.of(person);
    const group = groups[Math.floor(which * groups.length)];
    if (group === undefined) return [];
    counts.changes += 1;
    // Withings removes an assigned group from all other people.
    if (group.attrib === AMBIGUOUS) for (const other of othersWith(person, group)) remove(other, group);
    const attrib = group.attrib === AMBIGUOUS ? CONFIRMED : group.attrib;
    const modified = Math.max(nowSeconds(), group.modified + 1);
    const grams = Math.round(kilograms * 1000);
    const measures = group.measures.map((measure) => (measure.type === 1 ? { ...measure, value: grams } : measure));
    return [put(person, { ...group, attrib, modified, measures })];
  };

  const othersWith = (person: string, { grpid }: RawGroup) =>
    PEOPLE.filter((each) => each !== person && sandbox.measures.of(each).some((group) => group.grpid === grpid));

  const remove = (person: string, { grpid }: RawGroup) => {
    sandbox.measures.remove(person, grpid);
    forget(person, grpid);
  };

  /** A deleted group need not be in the journal. */
  const forget = (person: string, grpid: number) => {
    for (const version of versions) if (version.userid === person && version.grpid === grpid) version.isGone = true;
  };

  /** Deletes a group that certainly belongs to this person. */
  const takeBack = ({ person, which, how, to }: Extract<Step, { what: 'taken back' }>) => {
    const groups = sandbox.measures.of(person).filter((group) => group.attrib !== AMBIGUOUS);
    const group = groups[Math.floor(which * groups.length)];
    if (group === undefined || (how === 'moved' && to === person)) return [];
    counts.takenBack += 1;
    const left = sandbox.takeBack(person, group, how === 'moved' ? { movedTo: to } : how);
    if (how === 'moved' || how === 'deleted') forget(person, group.grpid);
    if (how === 'deleted') deleted.push({ person, group });
    if (left !== undefined) remember(left.userId, left.group);
    // Withings sends a notification for the window of the old group.
    return [group];
  };

  return {
    versions,
    counts,
    deleted,
    perform(step) {
      if (step.what === 'weigh-in') return weigh(step);
      return step.what === 'change' ? change(step) : takeBack(step);
    },
  };
}

function weightOf({ measures }: RawGroup): number | undefined {
  const weight = measures.find(({ type }) => type === 1);
  return weight && Number(`${weight.value}e${weight.unit}`);
}
