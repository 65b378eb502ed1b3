import { strict as assert } from 'node:assert';
import type { Call } from '../../src/sandbox/calls.ts';
import type { Answer } from '../../src/sandbox/limits.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { readToken } from '../../src/storage/token-files.ts';
import type { JournalLine } from './home.ts';
import type { LogLine } from './program.ts';

const MINUTE_MS = 60_000;
/** A busy machine delays a request by up to 0.2 s, which is 6 s at thirty times the speed. */
const HELD_UP_MS = 6_000;
const SAME_CALL_MS = 10_000;
const MOST_CALLS = 120;

/**
 * Watches the requests to Withings. The limit per minute applies to each process separately, because processes do not
 * share it. Withings limits several processes by its status 601, which each of them obeys. Simultaneous requests are
 * reported as the busiest minute. The rule about equal arguments applies to each process as well. No login may be sent
 * twice.
 */
export function watchCalls() {
  const calls: { readonly at: number; readonly key: string }[] = [];
  const rotations = { count: 0 };
  const lives = [{ from: 0, programs: 1 }];
  return {
    rotations,
    /** Sets the number of programs from now on. Each one obeys the limit per minute separately. */
    begin(programs: number): void {
      lives.push({ from: calls.length, programs });
    },
    /** The sandbox's `fault` passes every request through this function first. */
    arrived({ path, form, accessToken, at }: Call): void {
      const isShared = path !== '/v2/oauth2' && (lives.at(-1)?.programs ?? 1) > 1;
      calls.push({ at, key: `${path} ${form} ${accessToken} ${isShared ? calls.length : ''}` });
    },
    answered({ path }: Call, answer: Answer | undefined): void {
      if (path === '/v2/oauth2' && answer?.status === 0) rotations.count += 1;
    },
    get count() {
      return calls.length;
    },
    busiestMinute: () => busiest(calls.map(({ at }) => at)),
    assertRules(): void {
      const last = new Map<string, number>();
      for (const { at, key } of calls) {
        const before = last.get(key);
        assert(
          before === undefined || at - before >= SAME_CALL_MS,
          `the same call after ${at - (before ?? 0)} ms: ${key}`,
        );
        last.set(key, at);
      }
      for (const [index, { from, programs }] of lives.entries()) {
        const times = calls.slice(from, lives[index + 1]?.from).map(({ at }) => at);
        const most = busiest(times, MINUTE_MS - HELD_UP_MS);
        assert(most <= MOST_CALLS * programs, `${most} calls in one minute`);
      }
    },
  };
}

function busiest(times: readonly number[], windowMs = MINUTE_MS): number {
  let first = 0;
  let most = 0;
  for (const [index, at] of times.entries()) {
    while ((times[first] ?? at) <= at - windowMs) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

/** A group as Withings had it from some moment on. Times are in seconds. */
export interface Version {
  readonly userid: string;
  readonly grpid: number;
  readonly modified: number;
  /** The first moment at which a fetch could get the group, possibly long after its modification. */
  readonly shownAt: number;
  readonly weight: number | undefined;
  /** Withings no longer has the group for this person. */
  isGone?: boolean;
}

/**
 * Asserts that each group is stored once per modification, the newest last, because readers use the last line.
 * Withdrawn, released and restored groups have one more line each.
 */
export function assertOnce(journal: readonly JournalLine[]): void {
  const newest = new Map<string, JournalLine>();
  for (const line of journal) {
    const key = keyOf(line);
    const before = newest.get(key);
    const isSame = before?.modified === line.modified;
    assert(!isSame || before?.held !== line.held || before?.withdrawn !== line.withdrawn, `${key} is there twice`);
    assert(before === undefined || before.modified <= line.modified, `an older ${key} comes behind a newer one`);
    newest.set(key, line);
  }
}

const keyOf = ({ userid, grpid }: Pick<JournalLine, 'userid' | 'grpid'>) => `group ${grpid} of ${userid}`;

/** The last line of each group. */
function lastLines(journal: readonly JournalLine[]): ReadonlyMap<string, JournalLine> {
  return new Map(journal.map((line) => [keyOf(line), line]));
}

const UNSURE = [1, 4];
const counts = ({ attrib, held, withdrawn }: JournalLine) => !UNSURE.includes(attrib) && !held && !withdrawn;
/** The largest relative difference between a held weight and the one that releases it. */
const ALIKE = 0.2;

/**
 * Asserts that the counted groups are those that Withings has for this person now. Deleted groups are withdrawn.
 * Impossible weights are held, unless a similar second weight exists.
 */
export function assertAgrees(
  sandbox: Sandbox,
  people: readonly string[],
  journal: readonly JournalLine[],
  isOdd: (kilograms: number) => boolean,
): void {
  const last = [...lastLines(journal).values()];
  for (const person of people) {
    const groups = new Map(sandbox.measures.of(person).map((group) => [group.grpid, group]));
    for (const line of last.filter(({ userid }) => userid === person)) {
      const group = groups.get(line.grpid);
      const isThere = group !== undefined && group.measures.length > 0 && !UNSURE.includes(group.attrib);
      assert(isThere || !counts(line), `the taking back of ${keyOf(line)} is lost`);
      assert(!isThere || line.modified < group.modified || !line.withdrawn, `${keyOf(line)} is lost: taken back`);
      const kilograms = line.measures['weight'];
      if (!counts(line) || kilograms === undefined || !isOdd(kilograms)) continue;
      const isLike = (other: JournalLine) =>
        other.userid === person &&
        other.grpid !== line.grpid &&
        Math.abs((other.measures['weight'] ?? 0) - kilograms) <= ALIKE * kilograms;
      assert(journal.some(isLike), `${keyOf(line)} counts with ${kilograms} kg`);
    }
  }
}

/** The newest weight of each person, as the journal's last lines have it. */
export function newestWeights(journal: readonly JournalLine[], person: string): ReadonlySet<number> {
  const lines = [...lastLines(journal).values()].filter((line) => line.userid === person && counts(line));
  const weighed = lines.filter(({ measures }) => measures['weight'] !== undefined);
  const newest = Math.max(...weighed.map(({ timestamp }) => timestamp));
  return new Set(
    weighed.filter(({ timestamp }) => timestamp === newest).map(({ measures }) => measures['weight'] ?? Number.NaN),
  );
}

/** Asserts that the journal contains the groups of Withings, once per group and modification. */
export function assertJournal(sandbox: Sandbox, people: readonly string[], journal: readonly JournalLine[]): void {
  assertOnce(journal);
  const held = new Set(journal.map(({ userid, grpid, modified }) => `${userid} ${grpid} ${modified}`));
  for (const person of people) {
    for (const { grpid, modified } of sandbox.measures.of(person)) {
      assert(held.has(`${person} ${grpid} ${modified}`), `group ${grpid} of ${person} is lost`);
    }
  }
}

/** Asserts that every journal line equals a former state at Withings. */
export function assertTrue(versions: readonly Version[], journal: readonly JournalLine[]): void {
  const had = new Set(
    versions.map(({ userid, grpid, modified, weight }) => `${userid} ${grpid} ${modified} ${weight}`),
  );
  for (const { userid, grpid, modified, measures } of journal) {
    const weight = measures['weight'];
    assert(had.has(`${userid} ${grpid} ${modified} ${weight}`), `group ${grpid} of ${userid} never was ${weight} kg`);
  }
}

/**
 * Asserts that the journal contains every group from before the cursor, in its version then or later, because no fetch
 * requests those again.
 */
export function assertKept(
  versions: readonly Version[],
  person: string,
  journal: readonly JournalLine[],
  cursor: number,
): void {
  const held = new Map<number, number>();
  for (const { userid, grpid, modified } of journal) if (userid === person) held.set(grpid, modified);
  for (const { userid, grpid, modified, shownAt, isGone } of versions) {
    if (userid !== person || shownAt >= cursor || isGone) continue;
    if ((held.get(grpid) ?? 0) >= modified) continue;
    const about = `the cursor ${cursor} of ${person} is ahead of group ${grpid}, modified ${modified}`;
    const known = [...versions, ...journal].filter((each) => each.grpid === grpid).map((each) => JSON.stringify(each));
    assert.fail([about, ...known].join('\n'));
  }
}

/** Asserts that every announced group is on the disk and was announced once, the oldest first within a fetch. */
export function assertTold(lines: readonly LogLine[], journal: readonly JournalLine[], toldBefore: Set<string>): void {
  const keys = (lines: readonly JournalLine[]) => new Set(lines.map(({ userid, grpid }) => `${userid} ${grpid}`));
  const onDisk = keys(journal);
  // Withdrawn groups can return, and held groups are announced late.
  const wereBack = keys(journal.filter(({ withdrawn }) => withdrawn));
  const wereHeld = keys(journal.filter(({ held }) => held));
  const lastOf = new Map<unknown, string>();
  for (const line of lines) {
    if (line.event === 'fetched') lastOf.delete(line['userid']);
    if (!['reading', 'corrected', 'held'].includes(line.event)) continue;
    const { userid, grpid, date, level } = line;
    const key = `${userid} ${grpid}`;
    assert(onDisk.has(key), `${key} was told and is not on the disk`);
    if (line.event !== 'reading') continue;
    if (level === 'info') {
      assert(!toldBefore.has(key) || wereBack.has(key), `${key} was told twice`);
      toldBefore.add(key);
    }
    if (wereHeld.has(key)) continue;
    const before = lastOf.get(userid);
    assert(before === undefined || Date.parse(before) <= Date.parse(String(date)), `${key} was told out of order`);
    lastOf.set(userid, String(date));
  }
}

/** Asserts that Withings accepts the login in the file. */
export function assertLogin(sandbox: Sandbox, person: string, tokenFile: string): void {
  const token = readToken(tokenFile);
  assert(token !== undefined && sandbox.grants.accepts(token), `the login of ${person} is lost`);
}

/** The files that tokens are kept in, for their owner alone. */
export const HOLDS_TOKENS = /tokens\/([0-9]+|\.[0-9]+\.access)$/;

/** A text holds none of the words, and no token that was ever issued. */
export function assertNoSecrets(text: string, words: readonly string[], issued: ReadonlySet<string>): void {
  for (const word of words) assert(!text.includes(word), `the secret ${word} is written`);
  for (const [token] of text.matchAll(/[0-9a-f]{40}/g)) assert(!issued.has(token), 'a token is written');
}
