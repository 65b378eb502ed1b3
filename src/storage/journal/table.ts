import {
  counts,
  type GroupState,
  HELD_REASONS,
  type Reading,
  WITHDRAWN_REASONS,
  weightOf,
} from '../../domain/reading.ts';

type Column = Float64Array | Int32Array | Uint8Array;

/** The same column, twice as long. Its unused part takes no memory. */
export function longer<T extends Column>(column: T): T {
  const result = new (column.constructor as new (length: number) => T)(Math.max(8, 2 * column.length));
  result.set(column);
  return result;
}

/** The groups of one person, one row each, in the order of their first lines. */
export interface GroupTable {
  readonly rows: number;
  /** Undefined if the journal has no such group. */
  find(groupId: number): number | undefined;
  /** Writes the group's last line into its row, or into a new one. Returns the row. */
  put(reading: Reading, at: number): number;
  groupId(row: number): number;
  takenMs(row: number): number;
  modifiedMs(row: number): number;
  counts(row: number): boolean;
  /** The offset of its last line and of its first, in bytes. */
  at(row: number): number;
  firstAt(row: number): number;
  /** The offset of its first line that counts, or NaN. */
  firstCountsAt(row: number): number;
  /** The offset of the line after its last one that counts, or NaN. */
  stoppedAt(row: number): number;
  state(row: number): GroupState;
}

/** Uses columns of numbers: objects would take four times the memory, and years of groups stay in it. */
export function createGroupTable(): GroupTable {
  const rowOf = new Map<number, number>();
  const numbers = (): Float64Array => new Float64Array(0);
  let rows = 0;
  let [groupIds, takenMs, modifiedMs, weights] = [numbers(), numbers(), numbers(), numbers()];
  let [lastAt, firstAt, firstCountsAt, stoppedAt] = [numbers(), numbers(), numbers(), numbers()];
  let states = new Uint8Array(0);

  const grow = () => {
    [groupIds, takenMs, modifiedMs, weights] = [longer(groupIds), longer(takenMs), longer(modifiedMs), longer(weights)];
    [lastAt, firstAt] = [longer(lastAt), longer(firstAt)];
    [firstCountsAt, stoppedAt] = [longer(firstCountsAt), longer(stoppedAt)];
    states = longer(states);
  };

  const open = (groupId: number, at: number): number => {
    const row = rows;
    rows += 1;
    if (rows > states.length) grow();
    rowOf.set(groupId, row);
    groupIds[row] = groupId;
    firstAt[row] = at;
    firstCountsAt[row] = Number.NaN;
    stoppedAt[row] = Number.NaN;
    return row;
  };

  /** The value of an existing row. */
  const of = (column: Column, row: number): number => column[row] ?? Number.NaN;

  return {
    get rows() {
      return rows;
    },
    find: (groupId) => rowOf.get(groupId),
    put(reading, at) {
      const row = rowOf.get(reading.groupId) ?? open(reading.groupId, at);
      takenMs[row] = reading.takenAt.getTime();
      modifiedMs[row] = reading.modifiedAt.getTime();
      weights[row] = weightOf(reading) ?? Number.NaN;
      lastAt[row] = at;
      if (counts(reading)) {
        if (Number.isNaN(of(firstCountsAt, row))) firstCountsAt[row] = at;
        stoppedAt[row] = Number.NaN;
      } else if ((of(states, row) & COUNTS) !== 0) stoppedAt[row] = at;
      states[row] = encodeState(reading);
      return row;
    },
    groupId: (row) => of(groupIds, row),
    takenMs: (row) => of(takenMs, row),
    modifiedMs: (row) => of(modifiedMs, row),
    counts: (row) => (of(states, row) & COUNTS) !== 0,
    at: (row) => of(lastAt, row),
    firstAt: (row) => of(firstAt, row),
    firstCountsAt: (row) => of(firstCountsAt, row),
    stoppedAt: (row) => of(stoppedAt, row),
    state(row) {
      const weight = of(weights, row);
      return {
        groupId: of(groupIds, row),
        takenAt: new Date(of(takenMs, row)),
        weight: Number.isNaN(weight) ? undefined : weight,
        ...decodeState(of(states, row)),
      };
    },
  };
}

/** One bit for whether it counts, two for why it is held, three for why it is taken back. 0 means neither. */
const COUNTS = 1;

function encodeState(reading: Reading): number {
  const held = reading.held === undefined ? 0 : 1 + HELD_REASONS.indexOf(reading.held);
  const withdrawn = reading.withdrawn === undefined ? 0 : 1 + WITHDRAWN_REASONS.indexOf(reading.withdrawn);
  return Number(counts(reading)) | (held << 1) | (withdrawn << 3);
}

function decodeState(state: number): Pick<GroupState, 'counts' | 'held' | 'withdrawn'> {
  return {
    counts: (state & COUNTS) !== 0,
    held: HELD_REASONS[((state >> 1) & 3) - 1],
    withdrawn: WITHDRAWN_REASONS[(state >> 3) - 1],
  };
}
