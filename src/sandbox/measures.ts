import { type Answer, done, invalidParams, NOT_IMPLEMENTED } from './limits.ts';

/** A measure group as it goes over the wire. */
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

/** What the scales have measured, and the service that lists it. */
export function createMeasures(options: { readonly now: () => number; readonly pageSize: number }) {
  const { now, pageSize } = options;
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
      const groups = select([...groupsOf(userId).values()], form);
      if (groups === undefined) return invalidParams('startdate and enddate, or lastupdate');
      const offset = Number(form.get('offset') ?? 0);
      const page = groups.slice(offset, offset + pageSize);
      const next = offset + pageSize;
      const body = { updatetime: Math.floor(now() / 1000), timezone: 'Europe/Vienna', measuregrps: page };
      if (groups.length <= pageSize) return done(body);
      // Both spellings have been seen, and the last page has been seen with both keys.
      if (next < groups.length) return done({ ...body, more: offset === 0 ? 1 : true, offset: next });
      return done({ ...body, more: 0, offset: 0 });
    },
  };
}

/**
 * Withings does not say whether bounds are inclusive. The stricter reading is that they are not.
 * By date the newest comes first, by change the oldest.
 */
function select(groups: readonly RawGroup[], form: URLSearchParams): RawGroup[] | undefined {
  const [start, end, since] = ['startdate', 'enddate', 'lastupdate'].map((name) => seconds(form.get(name)));
  if (start !== undefined && end !== undefined && since === undefined) {
    return groups.filter(({ date }) => date > start && date < end).sort((a, b) => b.date - a.date);
  }
  if (start === undefined && end === undefined && since !== undefined) {
    return groups.filter(({ modified }) => modified > since).sort((a, b) => a.modified - b.modified);
  }
  return undefined;
}

function seconds(text: string | null): number | undefined {
  return text !== null && /^[0-9]+$/.test(text) ? Number(text) : undefined;
}
