import type { Clock } from '../../src/domain/clock.ts';
import type { RawGroup } from '../../src/sandbox/measures.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import type { Version } from './checker.ts';
import type { Step } from './torture-plan.ts';

const AMBIGUOUS = 1;
const CONFIRMED = 7;

/** People who step on the scale, and a memory of everything that Withings ever had of them. */
export interface Household {
  readonly versions: readonly Version[];
  readonly counts: { readonly weighIns: number; readonly changes: number };
  /** What Withings then tells the subscribers of: the groups that are new or changed. */
  perform(step: Exclude<Step, { what: 'profile' }>): readonly RawGroup[];
}

export function createHousehold({ sandbox, clock }: { readonly sandbox: Sandbox; readonly clock: Clock }): Household {
  const versions: Version[] = [];
  const counts = { weighIns: 0, changes: 0 };
  const nowSeconds = () => Math.floor(clock.now().getTime() / 1000);

  const put = (userid: string, group: RawGroup) => {
    sandbox.measures.put(userid, group);
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

  /** Somebody corrects it or says whose it is, or Withings finds something out later. */
  const change = ({ person, which, kilograms }: Extract<Step, { what: 'change' }>) => {
    const groups = sandbox.measures.of(person);
    const group = groups[Math.floor(which * groups.length)];
    if (group === undefined) return [];
    counts.changes += 1;
    const attrib = group.attrib === AMBIGUOUS ? CONFIRMED : group.attrib;
    const modified = Math.max(nowSeconds(), group.modified + 1);
    const grams = Math.round(kilograms * 1000);
    const measures = group.measures.map((measure) => (measure.type === 1 ? { ...measure, value: grams } : measure));
    return [put(person, { ...group, attrib, modified, measures })];
  };

  return {
    versions,
    counts,
    perform: (step) => (step.what === 'weigh-in' ? weigh(step) : change(step)),
  };
}

function weightOf({ measures }: RawGroup): number | undefined {
  const weight = measures.find(({ type }) => type === 1);
  return weight && Number(`${weight.value}e${weight.unit}`);
}
