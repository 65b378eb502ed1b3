import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createFetchQueue, type Request, type TakenRequest } from '../../../src/app/collect/fetch-queue.ts';
import { covers } from '../../../src/app/collect/queries.ts';
import type { TimeWindow } from '../../../src/domain/measure.ts';
import { type Recovery, Trouble } from '../../../src/domain/trouble.ts';
import { ANNA } from '../../support/people.ts';
import { check } from '../../support/property.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const SAME_CALL_MS = 12 * SECOND;
const QUIET_MS = 15 * MINUTE;
/** The limit allows six fetches ten minutes apart, six more, and those of the first half-hour and of empty windows. */
const MOST_FRUITLESS_AN_HOUR = 30;

/** The result of a fetch: an answer, or a trouble. */
type End =
  /** So many of its windows contain new data, from the first one. */
  | { readonly found: number; readonly fruitful: boolean }
  | { readonly recovery: Recovery; readonly waitMs: number | undefined; readonly random: number };

type Step =
  | { readonly ask: Request }
  | { readonly passMs: number }
  | { readonly untilDue: true }
  | { readonly attempt: End; readonly lastsMs: number; readonly meanwhile: readonly Request[] };

const TAKEN_MS = Date.UTC(2026, 10, 20, 6);
const window: fc.Arbitrary<TimeWindow> = fc.tuple(fc.nat(5), fc.nat(3)).map(([from, length]) => ({
  start: new Date(TAKEN_MS + from * SECOND),
  end: new Date(TAKEN_MS + (from + length) * SECOND),
}));
const request: fc.Arbitrary<Request> = fc
  .tuple(fc.array(window, { maxLength: 3 }), fc.boolean(), fc.boolean())
  .map(([windows, since, urgent]) => ({ windows, since: since || windows.length === 0, urgent }));

const answer = fc.record({ found: fc.nat(3), fruitful: fc.boolean() });
const trouble = fc.record({
  recovery: fc.constantFrom<Recovery>('retry', 'throttled', 'access', 'login', 'unlinked', 'settings', 'defect'),
  waitMs: fc.option(fc.integer({ min: SECOND, max: HOUR }), { nil: undefined }),
  random: fc.double({ min: 0, max: 1, noNaN: true }),
});
const passMs = fc.oneof(fc.nat(20 * SECOND), fc.nat(20 * MINUTE), fc.nat(2 * HOUR));

const stepsWith = (end: fc.Arbitrary<End>) => {
  const attempt = fc.record({
    attempt: end,
    lastsMs: fc.oneof(fc.constant(0), fc.nat(3 * MINUTE)),
    meanwhile: fc.array(request, { maxLength: 2 }),
  });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ ask: request }),
    fc.record({ passMs }),
    fc.constant<Step>({ untilDue: true }),
    attempt,
  );
  return fc.array(step, { maxLength: 60 });
};

/** A queue with the loop of the collector around it, and a record of its outstanding requests. */
function createBench() {
  const queue = createFetchQueue(ANNA);
  let nowMs = 0;
  let owed: Request[] = [];
  const attempts: { readonly startedMs: number; readonly request: TakenRequest; readonly worked: boolean }[] = [];

  const ask = (asked: Request) => {
    queue.ask(asked, nowMs);
    owed.push(asked);
  };
  const attempt = ({ attempt: end, lastsMs, meanwhile }: Extract<Step, { attempt: End }>) => {
    const startedMs = nowMs;
    const taken = queue.take();
    for (const each of owed) assertAsksFor(taken, each);
    owed = [];
    meanwhile.forEach(ask);
    nowMs += lastsMs;
    attempts.push({ startedMs, request: taken, worked: 'found' in end });
    if ('recovery' in end) {
      queue.failed(taken, new Trouble('no', { code: 'no', ...end }), { nowMs, random: end.random });
      owed.push({ ...taken, since: true });
      return;
    }
    const empty = taken.windows.slice(end.found);
    const goesOn = queue.done(taken, { startedMs, nowMs, empty, fruitful: end.fruitful });
    if (goesOn && empty.length > 0) owed.push({ windows: empty, since: false, urgent: false });
  };
  const isDue = () => queue.dueMs(nowMs) <= nowMs;

  return {
    queue,
    attempts,
    ask,
    isDue,
    isOwing: () => owed.length > 0,
    nowMs: () => nowMs,
    pass(ms: number) {
      nowMs += ms;
    },
    attempt,
    run(step: Step) {
      if ('ask' in step) ask(step.ask);
      else if ('passMs' in step) nowMs += step.passMs;
      else if ('attempt' in step) isDue() && attempt(step);
      else if (queue.dueMs(nowMs) < Number.POSITIVE_INFINITY) nowMs = Math.max(nowMs, queue.dueMs(nowMs));
    },
  };
}

function assertAsksFor(taken: Request, owed: Request): void {
  assert.ok(taken.since || !owed.since, 'everything since the cursor');
  assert.ok(taken.urgent || !owed.urgent, 'a person waits');
  assert.ok(areCovered(owed.windows, taken.windows), 'the windows');
}

function areCovered(inner: readonly TimeWindow[], outer: readonly TimeWindow[]): boolean {
  return inner.every((one) => outer.some((other) => covers(other, one)));
}

/**
 * Requests moving windows every second for so long, makes each due fetch, and returns their times.
 *
 * @param wanderMs the move of the windows with each request
 */
function flood({ requests, wanderMs }: Flood, ends: readonly End[], ms: number): number[] {
  const bench = createBench();
  let asked = 0;
  const ask = () => {
    const next = requests[asked % requests.length] ?? assert.fail();
    bench.ask({ ...next, windows: next.windows.map((one) => shift(one, asked * wanderMs)) });
    asked += 1;
  };
  for (ask(); bench.nowMs() < ms; ask()) {
    const attempt = ends[bench.attempts.length % ends.length] ?? assert.fail();
    if (bench.isDue()) bench.attempt({ attempt, lastsMs: 0, meanwhile: [] });
    else bench.pass(SECOND);
  }
  return bench.attempts.map(({ startedMs }) => startedMs);
}

interface Flood {
  readonly requests: readonly Request[];
  readonly wanderMs: number;
}

function shift({ start, end }: TimeWindow, ms: number): TimeWindow {
  return { start: new Date(start.getTime() + ms), end: new Date(end.getTime() + ms) };
}

const some = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: 20 });

describe('events in any order', () => {
  test('a request stays due within an hour until a fetch covers it, and causes nothing else', () => {
    check(
      fc.property(stepsWith(fc.oneof(answer, trouble)), (steps) => {
        const bench = createBench();
        for (const step of steps) {
          bench.run(step);
          const dueMs = bench.queue.dueMs(bench.nowMs());
          assert.ok(bench.isOwing() ? dueMs <= bench.nowMs() + HOUR : dueMs === Number.POSITIVE_INFINITY, `${dueMs}`);
        }
      }),
    );
  });

  test('waiting is enough: the due time does not move while no event occurs', () => {
    check(
      fc.property(stepsWith(fc.oneof(answer, trouble)), fc.double({ min: 0, max: 1, noNaN: true }), (steps, part) => {
        const bench = createBench();
        steps.forEach(bench.run);
        const dueMs = bench.queue.dueMs(bench.nowMs());
        if (dueMs === Number.POSITIVE_INFINITY) return;
        bench.pass(Math.max(0, dueMs - bench.nowMs()) * part);
        assert.ok(bench.queue.dueMs(bench.nowMs()) <= Math.max(dueMs, bench.nowMs()));
      }),
    );
  });

  test('a window that was fetched is not fetched again within twelve seconds', () => {
    check(
      fc.property(stepsWith(fc.oneof(answer, trouble)), (steps) => {
        const bench = createBench();
        steps.forEach(bench.run);
        for (const [index, { startedMs, request: again }] of bench.attempts.entries()) {
          // A query since the cursor is a different query, unless the window comes first.
          if (again.windows.length === 0 || (again.since && !again.isRetry)) continue;
          const isTwin = bench.attempts
            .slice(0, index)
            .filter((one) => one.worked && startedMs - one.startedMs < SAME_CALL_MS)
            .some((one) => areCovered(again.windows, one.request.windows));
          assert.ok(!isTwin, `at ${startedMs}`);
        }
      }),
    );
  });

  test('the person must link again after a rejected login, until a fetch ends otherwise', () => {
    check(
      fc.property(some(fc.oneof(answer, trouble)), (ends) => {
        const bench = createBench();
        for (const end of ends) bench.attempt({ attempt: end, lastsMs: 0, meanwhile: [] });
        const last = ends.at(-1);
        assert.equal(bench.queue.needsLogin(), last !== undefined && 'recovery' in last && last.recovery === 'login');
      }),
    );
  });
});

describe('a notification after a quiet quarter of an hour', () => {
  test('is due at once if the last fetch worked', () => {
    check(
      fc.property(stepsWith(answer), answer, request, fc.nat(HOUR), (steps, end, asked, moreMs) => {
        const bench = createBench();
        steps.forEach(bench.run);
        bench.attempt({ attempt: end, lastsMs: 0, meanwhile: [] });
        bench.pass(QUIET_MS + 1 + moreMs);
        bench.ask(asked);
        assert.ok(bench.isDue());
      }),
    );
  });

  test('is due at once also after an outage, unless a retry cannot help', () => {
    check(
      fc.property(stepsWith(fc.oneof(answer, trouble)), trouble, request, (steps, end, asked) => {
        const bench = createBench();
        steps.forEach(bench.run);
        bench.attempt({ attempt: end, lastsMs: 0, meanwhile: [] });
        const failedMs = bench.nowMs();
        bench.pass(QUIET_MS + 1);
        bench.ask(asked);
        const isHeld =
          end.waitMs !== undefined || ['login', 'unlinked', 'settings', 'defect', 'access'].includes(end.recovery);
        if (isHeld) assert.ok(bench.queue.dueMs(bench.nowMs()) <= failedMs + HOUR);
        else assert.ok(bench.isDue());
      }),
    );
  });
});

describe('a flood', () => {
  const asks: fc.Arbitrary<Flood> = fc.record({
    requests: some(request),
    wanderMs: fc.constantFrom(0, SECOND, -SECOND, HOUR),
  });
  /** Returns the maximum within any period of this length. */
  const most = (times: readonly number[], ms: number) =>
    Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + ms).length));

  test('without new data costs few fetches an hour, whatever its windows contain', () => {
    const nothingNew = fc.nat(3).map((found) => ({ found, fruitful: false }));
    check(
      fc.property(asks, some(nothingNew), (requests, ends) => {
        const fetches = most(flood(requests, ends, 2 * HOUR), HOUR);
        assert.ok(fetches <= MOST_FRUITLESS_AN_HOUR, `${fetches}`);
      }),
      0.1,
    );
  });

  test('costs at most one attempt in seven seconds while Withings fails', () => {
    const outage = trouble.filter(({ waitMs }) => waitMs === undefined);
    check(
      fc.property(asks, some(outage), (requests, ends) => most(flood(requests, ends, HOUR), 7 * SECOND) <= 1),
      0.1,
    );
  });

  test('costs at most four attempts in twelve seconds, whatever their results are', () => {
    const ends = some(fc.oneof(answer, trouble));
    check(
      fc.property(asks, ends, (requests, each) => most(flood(requests, each, HOUR), SAME_CALL_MS) <= 4),
      0.1,
    );
  });
});
