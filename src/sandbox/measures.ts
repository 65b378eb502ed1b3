import { type Answer, done, invalidParams, NOT_IMPLEMENTED } from './limits.ts';

/** A measure group in Withings' wire format. */
export interface RawGroup {
  readonly grpid: number;
  readonly attrib: number;
  readonly date: number;
  readonly created: number;
  readonly modified: number;
  readonly category: number;
  readonly deviceid: string | null;
  readonly model: string | null;
  readonly modelid: number | null;
  readonly timezone: string;
  readonly measures: readonly {
    readonly value: number;
    readonly type: number;
    readonly unit: number;
    readonly position?: number;
  }[];
}

interface MeasuresOptions {
  readonly now: () => number;
  readonly pageSize: number;
  /** Whether the bounds of a window are outside of it. Withings does not document that. */
  readonly exclusive: boolean;
}

/** The measures of the scales, and the service that lists them. */
export function createMeasures({ now, pageSize, exclusive }: MeasuresOptions) {
  const users = new Map<string, Map<number, RawGroup>>();
  const groupsOf = (userId: string) => {
    const groups = users.get(userId) ?? new Map<number, RawGroup>();
    users.set(userId, groups);
    return groups;
  };

  return {
    /** Adds a group, or changes the one with the same `grpid`. */
    put: (userId: string, group: RawGroup) => void groupsOf(userId).set(group.grpid, group),
    remove: (userId: string, grpid: number) => void groupsOf(userId).delete(grpid),
    of: (userId: string): readonly RawGroup[] => [...groupsOf(userId).values()],
    /** The measure service. */
    call(userId: string, form: URLSearchParams): Answer {
      if (form.get('action') !== 'getmeas') return NOT_IMPLEMENTED;
      const query = readQuery(form);
      if (query === undefined) return invalidParams('numbers; and startdate and enddate, or lastupdate');
      const groups = select([...groupsOf(userId).values()], query, exclusive ? 1 : 0);
      const { offset = 0 } = query;
      // Other people's clients rely on the last two fields.
      const measuregrps = groups
        .slice(offset, offset + pageSize)
        .map((group) => ({ ...group, hash_deviceid: group.deviceid, comment: null }));
      const next = offset + pageSize;
      const body = { updatetime: Math.floor(now() / 1000), timezone: 'Europe/Vienna', measuregrps };
      if (groups.length <= pageSize) return done(body);
      // Withings was seen to use both spellings, and both keys on the last page.
      if (next < groups.length) return done({ ...body, more: offset === 0 ? 1 : true, offset: next });
      return done({ ...body, more: 0, offset: 0 });
    },
  };
}

const NUMBERS = ['startdate', 'enddate', 'lastupdate', 'offset', 'category'] as const;
type Query = { readonly [name in (typeof NUMBERS)[number]]?: number } & { readonly types: readonly number[] };

/** Undefined if a number is invalid, or a window comes with `lastupdate`. */
function readQuery(form: URLSearchParams): Query | undefined {
  const types = `${form.get('meastypes') ?? ''},${form.get('meastype') ?? ''}`.split(',').filter((each) => each !== '');
  const named = NUMBERS.flatMap((name): [string, string][] => (form.get(name) ? [[name, form.get(name) ?? '']] : []));
  if (![...types, ...named.map(([, value]) => value)].every((text) => /^[0-9]+$/.test(text))) return undefined;
  const query = Object.fromEntries(named.map(([name, value]) => [name, Number(value)]));
  const { startdate, enddate, lastupdate } = query;
  if (lastupdate !== undefined && (startdate ?? enddate) !== undefined) return undefined;
  return { ...query, types: types.map(Number) };
}

/** Sorts by date with the newest first, or by change with the oldest first. */
function select(groups: readonly RawGroup[], query: Query, margin: 0 | 1): RawGroup[] {
  const {
    startdate = Number.NEGATIVE_INFINITY,
    enddate = Number.POSITIVE_INFINITY,
    lastupdate,
    category,
    types,
  } = query;
  const since = lastupdate ?? Number.NEGATIVE_INFINITY;
  const found = groups
    .filter(({ date }) => date >= startdate + margin && date <= enddate - margin)
    .filter((group) => group.modified >= since + margin && group.category === (category ?? group.category));
  const order = lastupdate === undefined ? byDate : byChange;
  if (types.length === 0) return found.sort(order);
  return found
    .map((group) => ({ ...group, measures: group.measures.filter(({ type }) => types.includes(type)) }))
    .filter(({ measures }) => measures.length > 0)
    .sort(order);
}

const byDate = (a: RawGroup, b: RawGroup) => b.date - a.date;
const byChange = (a: RawGroup, b: RawGroup) => a.modified - b.modified;
