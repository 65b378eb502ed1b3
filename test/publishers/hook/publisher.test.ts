import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Derived } from '../../../src/domain/derived.ts';
import { formatLine } from '../../../src/storage/journal/line.ts';
import { bedEvent } from '../../support/beds.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createHookBench, DELIVERY, READING, writeScript } from '../../support/hook-bench.ts';
import { until } from '../../support/outbox-bench.ts';
import { BO } from '../../support/people.ts';
import { failureOf } from '../../support/watched-files.ts';

const failure = async (promise: Promise<unknown>) => {
  const error = await failureOf(promise);
  assert.ok(error instanceof Error && 'code' in error);
  return error;
};
const isAlive = (pid: string) =>
  readFile(`/proc/${pid.trim()}/stat`, 'utf8').then(
    (text) => !/\) Z /.test(text),
    () => false,
  );

const DERIVED: Derived = {
  takenAt: new Date('2026-11-20T06:01:02Z'),
  height: 1.8,
  bmi: 25.2,
  trend: 81.4,
  perWeek: -0.35,
  goal: 78,
  toGoal: -3.65,
};

describe('a hook', () => {
  test('gets the line of the journal with additional fields on its standard input', async () => {
    await using bench = await createHookBench('cat > "$1/in"', { derived: DERIVED });
    await bench.deliver();
    const text = await bench.read('in');
    assert.match(text, /^\{[^\n]*\}\n$/);
    assert.deepEqual(JSON.parse(text), {
      kind: 'weigh_in',
      ...JSON.parse(formatLine(READING)),
      groups: [6123456789],
      name: 'Anna',
      weight: 81.65,
      previous_weight: 81.25,
      change: 0.4,
      bmi: 25.2,
      weight_trend: 81.4,
      weight_per_week: -0.35,
      weight_goal: 78,
      weight_to_goal: -3.65,
      late: false,
      correction: false,
      text: 'Anna 81.65 kg (+0.40)',
    });
  });

  test('gets the main fields in its environment, and no secret', async () => {
    await using bench = await createHookBench('env > "$1/env"', { derived: DERIVED });
    await bench.deliver();
    const lines = (await bench.read('env')).trim().split('\n');
    const variables = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)));
    // The shell's own.
    for (const name of ['PWD', 'OLDPWD', 'SHLVL', '_', '']) delete variables[name];
    assert.deepEqual(variables, {
      PATH: process.env['PATH'],
      TZ: 'UTC',
      WEIGHBRIDGE_KIND: 'weigh_in',
      WEIGHBRIDGE_USERID: '1234',
      WEIGHBRIDGE_NAME: 'Anna',
      WEIGHBRIDGE_WEIGHT: '81.65',
      WEIGHBRIDGE_CHANGE: '0.4',
      WEIGHBRIDGE_BMI: '25.2',
      WEIGHBRIDGE_WEIGHT_TREND: '81.4',
      WEIGHBRIDGE_WEIGHT_PER_WEEK: '-0.35',
      WEIGHBRIDGE_WEIGHT_GOAL: '78',
      WEIGHBRIDGE_WEIGHT_TO_GOAL: '-3.65',
      WEIGHBRIDGE_DATE: '2026-11-20T07:01:02+01:00',
      WEIGHBRIDGE_LATE: 'false',
      WEIGHBRIDGE_AMBIGUOUS: 'false',
      WEIGHBRIDGE_GRPID: '6123456789',
      WEIGHBRIDGE_TEXT: 'Anna 81.65 kg (+0.40)',
    });
  });

  test('gets null for unknown fields, and no variable', async () => {
    await using bench = await createHookBench('cat > "$1/in"; env | grep ^WEIGHBRIDGE_ | sort > "$1/env"');
    const reading = { ...READING, userId: BO, deviceId: undefined, model: undefined, measures: { heart_rate: 61 } };
    await bench.deliver({
      ...DELIVERY,
      kind: 'correction',
      reading,
      previousWeight: undefined,
      late: true,
      correction: true,
    });
    const { name, weight, previous_weight, change, late, correction, text } = JSON.parse(await bench.read('in'));
    assert.deepEqual([name, weight, previous_weight, change, late, correction], [null, null, null, null, true, true]);
    assert.equal(text, '5678 heart rate 61 bpm');
    assert.doesNotMatch(await bench.read('env'), /NAME|WEIGHT|CHANGE/);
    assert.match(await bench.read('env'), /^WEIGHBRIDGE_LATE=true$/m);
  });

  for (const [measures, weight, text] of [
    [{ weight: 81.65, fat_ratio: 17.3 }, 81.65, 'Anna: 81.65 kg withdrawn'],
    [{ heart_rate: 61 }, null, 'Anna: heart rate 61 bpm withdrawn'],
    [{}, null, 'Anna: a reading withdrawn'],
  ] as const) {
    test(`gets a withdrawn group without a weight: ${text}`, async () => {
      await using bench = await createHookBench('cat > "$1/in"; env > "$1/env"');
      const reading = { ...READING, measures, withdrawn: 'deleted' } as const;
      await bench.deliver({ ...DELIVERY, kind: 'withdrawn', reading, late: true, correction: true });
      const told = JSON.parse(await bench.read('in'));
      assert.deepEqual([told.kind, told.weight, told.change, told.withdrawn_weight], ['withdrawn', null, null, weight]);
      assert.deepEqual([told.withdrawn, told.reason, told.text], [true, 'deleted', text]);
      assert.doesNotMatch(await bench.read('env'), /_WEIGHT=|_CHANGE=/);
      assert.match(await bench.read('env'), /^WEIGHBRIDGE_KIND=withdrawn$/m);
    });
  }

  for (const [changes, reason] of [
    [{ held: 'jump' }, 'jump'],
    [{ attribution: 1, ambiguous: true }, 'ambiguous'],
  ] as const) {
    test(`runs for held weigh-ins (${reason}) only if HOOK_HELD is on`, async () => {
      const held = { ...DELIVERY, kind: 'held', reading: { ...READING, ...changes }, late: true } as const;
      await using deaf = await createHookBench('touch "$1/ran"');
      await deaf.deliver(held);
      await assert.rejects(deaf.read('ran'));
      await using bench = await createHookBench('cat > "$1/in"', { hearsHeld: true });
      await bench.deliver(held);
      const told = JSON.parse(await bench.read('in'));
      assert.deepEqual([told.kind, told.held, told.weight], ['held', reason, 81.65]);
      assert.equal(told.text, `Anna 81.65 kg (held: ${reason})`);
    });
  }

  test('runs for bed events only if HOOK_BED is on', async () => {
    await using deaf = await createHookBench('touch "$1/ran"');
    assert.equal(deaf.hook.deliverBed, undefined);
    await using bench = await createHookBench('cat > "$1/in"; env > "$1/env"', { hearsBed: true });
    const event = bedEvent('out_of_bed', new Date('2026-11-20T06:58:00Z'));
    await bench.deliverBed({ event, late: false });
    const { date: _local, ...told } = JSON.parse(await bench.read('in'));
    assert.deepEqual(told, {
      userid: '1234',
      timestamp: 1_795_157_880,
      deviceid: 'mat',
      kind: 'out_of_bed',
      name: 'Anna',
      late: false,
      text: 'Anna is out of bed',
    });
    const variables = await bench.read('env');
    for (const line of ['KIND=out_of_bed', 'USERID=1234', 'LATE=false', 'TEXT=Anna is out of bed'])
      assert.match(variables, new RegExp(`^WEIGHBRIDGE_${line}$`, 'm'));
  });

  test('that fails for a bed event is retried as often as for a reading, which is delivered meanwhile', async () => {
    const clock = createFakeClock();
    await using bench = await createHookBench('exit 1', { clock, hearsBed: true });
    const event = bedEvent('in_bed', new Date('2026-11-20T06:58:00Z'));
    const codes = (work: () => Promise<void>) => work().catch(({ code }) => code);
    const seen: unknown[] = [];
    for (let each = 0; each < 4; each += 1) {
      seen.push(await codes(() => bench.deliver()));
      seen.push(await codes(() => bench.deliverBed({ event, late: false })));
    }
    const failed = Array(6).fill('hook_failed');
    assert.deepEqual(seen, [...failed, 'given_up', 'given_up']);
    const parked = (await bench.read('hook.parked.jsonl')).trimEnd().split('\n');
    assert.deepEqual(
      parked.map((line) => JSON.parse(line).kind),
      ['weigh_in', 'in_bed'],
    );
  });

  test('runs once at a time, for readings and bed events together', async () => {
    const script = 'echo begin >> "$1/out"; sleep 0.1; echo end >> "$1/out"';
    await using bench = await createHookBench(script, { hearsBed: true });
    const event = bedEvent('in_bed', new Date('2026-11-20T06:58:00Z'));
    await Promise.all([bench.deliver(), bench.deliverBed({ event, late: false })]);
    assert.equal(await bench.read('out'), 'begin\nend\nbegin\nend\n');
  });

  test('gets all groups of a weigh-in', async () => {
    await using bench = await createHookBench('cat > "$1/in"');
    await bench.deliver({ ...DELIVERY, groupIds: [READING.groupId, 7, 8] });
    const { groups, grpid } = JSON.parse(await bench.read('in'));
    assert.deepEqual([groups, grpid], [[READING.groupId, 7, 8], READING.groupId]);
  });

  test('gets its arguments unchanged, without a shell', async () => {
    await using bench = await createHookBench(undefined, { command: ['printf', '%s|', '$HOME', 'a b', '*', '; x'] });
    await bench.deliver();
    assert.deepEqual(bench.log.texts('hook'), ['hook: $HOME|a b|*|; x|']);
  });

  test('has its output logged line by line: standard output at info, standard error at warn', async () => {
    await using bench = await createHookBench('echo one; echo; printf "two\\r\\nthree"; echo four >&2');
    await bench.deliver();
    const lines = bench.log.entries.map(({ level, text, grpid, userid }) => [level, text, grpid, userid]);
    assert.deepEqual(
      lines.sort().map(([level, text]) => [level, text]),
      [
        ['info', 'hook: one'],
        ['info', 'hook: three'],
        ['info', 'hook: two'],
        ['warn', 'hook: four'],
      ],
    );
    assert.deepEqual(lines[0]?.slice(2), [6123456789, '1234']);
  });

  test('that floods its output does not block, and a hundred short lines are logged', async () => {
    await using bench = await createHookBench('head -c 20000000 /dev/zero | tr "\\0" x; echo; yes | head -n 1000000');
    await bench.deliver();
    const texts = bench.log.texts('hook');
    assert.equal(texts.length, 101);
    assert.ok(texts.every((text) => text.length < 520));
    assert.equal(texts.at(-1), 'hook: left out 999901 more lines');
  });

  test('that prints 20 MB without a line end does not fill the memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const script = 'head -c 20000000 /dev/zero | tr "\\0" x; touch "$1/sent"; until [ -e "$1/go" ]; do sleep 0.1; done';
    await using bench = await createHookBench(script);
    collect();
    const before = process.memoryUsage().heapUsed;
    const delivered = bench.deliver();
    // The hook's output was read by then, except the content of the pipe.
    while (!existsSync(`${bench.directory}/sent`)) await new Promise((resolve) => setImmediate(resolve));
    collect();
    const grown = process.memoryUsage().heapUsed - before;
    await writeFile(`${bench.directory}/go`, '');
    await delivered;
    assert.ok(grown < 5_000_000, `${grown} bytes`);
  });

  test('does not have to read its input, however long the input is', async () => {
    await using bench = await createHookBench('exec <&-; sleep 0.1');
    const measures = Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`type_${at}`, at]));
    await bench.deliver({ ...DELIVERY, reading: { ...READING, measures: { ...measures, weight: 81 } } });
  });

  test('can leave a program that keeps its output open', async () => {
    await using bench = await createHookBench('sleep 30 & echo $! > "$1/pid"; echo started');
    const startedAt = performance.now();
    await bench.deliver();
    assert.ok(performance.now() - startedAt < 15_000);
    const pid = await bench.read('pid');
    assert.ok(await isAlive(pid));
    process.kill(Number(pid));
    assert.deepEqual(bench.log.texts('hook'), ['hook: started']);
  });
});

describe('a hook that fails', () => {
  test('is retried after 10 s, 1 and 5 min, then the reading is parked and the next one follows', async () => {
    await using bench = await createHookBench('cat > "$1/in"; echo no >&2; exit 3');
    const waits: unknown[] = [];
    for (let tries = 0; tries < 3; tries += 1) {
      const { message, ...facts } = await failure(bench.deliver());
      assert.match(message, /hook\.sh ended with exit code 3, with reading 6123456789 of Anna \(1234\)$/);
      const { code, recovery, hint, waitMs } = { recovery: '', hint: '', waitMs: 0, ...facts };
      assert.deepEqual([code, recovery], ['hook_failed', 'retry']);
      assert.match(hint, /^Next try in \d+ (s|min)\.$/);
      waits.push(waitMs / 1000);
    }
    assert.deepEqual(waits, [10, 60, 300]);
    const { code, hint } = { hint: '', ...(await failure(bench.deliver())) };
    assert.equal(code, 'given_up');
    assert.match(hint, /kept the reading in \S+\/hook\.parked\.jsonl/);
    assert.equal(await bench.read('hook.parked.jsonl'), await bench.read('in'));
    assert.equal((await stat(`${bench.directory}/hook.parked.jsonl`)).mode & 0o777, 0o600);
    const next = { ...DELIVERY, reading: { ...READING, groupId: 2 } };
    assert.equal((await failure(bench.deliver(next))).code, 'hook_failed', 'the next one has a try of its own');
    assert.equal((await failure(bench.deliver(next))).code, 'given_up');
  });

  test('parks after existing lines, also after half a line', async () => {
    await using bench = await createHookBench('exit 1');
    await writeFile(`${bench.directory}/hook.parked.jsonl`, '{"userid":"1","gr');
    for (let tries = 0; tries < 4; tries += 1) await failure(bench.deliver());
    assert.match(await bench.read('hook.parked.jsonl'), /^\{"userid":"1","gr\n\{"userid":"1234",[^\n]*\}\n$/);
  });

  test('has its signal reported', async () => {
    await using bench = await createHookBench('kill -SEGV $$');
    assert.match((await failure(bench.deliver())).message, /was stopped by SIGSEGV/);
  });

  for (const [how, script, endMs] of [
    ['gets SIGTERM after 30 s, with everything that it started', 'sleep 600 & echo $! > "$1/pid"; wait', 0],
    [
      'is killed 2 s later if it does not end, with everything that it started',
      'trap "" TERM; sleep 600 & echo $! > "$1/pid"; while :; do sleep 1; done',
      2_000,
    ],
  ] as const) {
    test(`${how}`, async () => {
      const clock = createFakeClock();
      await using bench = await createHookBench(script, { clock });
      const delivered = failure(bench.deliver());
      await until(async () => (await bench.read('pid').catch(() => '')) !== '');
      const pid = await bench.read('pid');
      await clock.advance(29_999);
      assert.ok(await isAlive(pid));
      await clock.advance(1);
      if (endMs > 0) {
        await clock.advance(endMs - 1);
        assert.ok(await isAlive(pid));
        await clock.advance(1);
      }
      const { message } = await delivered;
      assert.match(message, /hook\.sh did not end within 30 s and was stopped/);
      await until(async () => !(await isAlive(pid)));
    });
  }

  test('does not fail the reading if a stop ended it', async () => {
    const stop = new AbortController();
    await using bench = await createHookBench(
      'trap "echo bye > \\"$1/bye\\"; exit 1" TERM; : > "$1/on"; sleep 60 & wait',
    );
    const delivered = failureOf(bench.deliver(DELIVERY, stop.signal));
    await until(async () => (await bench.read('on').catch(() => undefined)) !== undefined);
    stop.abort();
    assert.equal(await delivered, stop.signal.reason);
    assert.equal(await bench.read('bye'), 'bye\n');
  });
});

describe('an unavailable program', () => {
  for (const [how, prepare] of [
    ['that is missing', async () => undefined],
    ['that may not be executed', async (path: string) => writeFile(path, 'echo\n', { mode: 0o644 })],
    ['whose interpreter is missing', async (path: string) => writeFile(path, '#!/no/such\n', { mode: 0o755 })],
  ] as const) {
    test(`${how} is retried without limit, and the reading waits`, async () => {
      await using bench = await createHookBench(undefined);
      await prepare(bench.program);
      for (let tries = 0; tries < 10; tries += 1) {
        const { code, recovery, hint } = { recovery: '', hint: '', ...(await failure(bench.deliver())) };
        assert.deepEqual([code, recovery], ['hook_not_runnable', 'settings']);
        assert.match(hint, /HOOK_COMMAND/);
      }
      await writeScript(bench.program, 'exit 0');
      await bench.deliver();
    });
  }
});
