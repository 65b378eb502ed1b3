import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { NOTHING_DERIVED } from '../../src/domain/derived.ts';
import { createHook } from '../../src/publishers/hook/publisher.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { DELIVERY, READING, signalGroup, writeScript } from '../support/hook-bench.ts';
import { ANNA } from '../support/people.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { failureOf } from '../support/watched-files.ts';

const HOOKS = fileURLToPath(new URL('../../../deploy/hooks/', import.meta.url));

/** One of the examples behind the real publisher; `fakes` stand in front of PATH. */
async function setUp(name: string, args: (directory: string) => readonly string[], fakes: Record<string, string> = {}) {
  const directory = await temporaryDirectory();
  const bin = `${directory.path}/bin`;
  await mkdir(bin);
  for (const [fake, script] of Object.entries(fakes)) await writeScript(`${bin}/${fake}`, script);
  const log = createRecordingLog();
  const hook = createHook({
    command: [`${HOOKS}${name}`, ...args(directory.path)],
    environment: { PATH: `${bin}:${process.env['PATH']}`, OUT: `${directory.path}/out` },
    hearsHeld: true,
    derived: async () => NOTHING_DERIVED,
    hearsBed: false,
    people: { names: new Map([[ANNA, 'Anna "A", the 1st']]), unit: 'kg' },
    parking: { path: '', park: async () => undefined },
    signalGroup,
    clock: realClock,
    log,
  });
  return {
    log,
    deliver: (changes = {}) => hook.deliver({ ...DELIVERY, ...changes }, new AbortController().signal),
    read: (file = 'out') => readFile(`${directory.path}/${file}`, 'utf8').catch(() => ''),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const OTHER_KINDS = [
  { kind: 'reading', reading: { ...READING, measures: { heart_rate: 61 } } },
  { kind: 'addition' },
  { kind: 'correction', correction: true, late: true },
  { kind: 'withdrawn', correction: true, late: true, reading: { ...READING, withdrawn: 'deleted' } },
  { kind: 'held', late: true, reading: { ...READING, held: 'jump' } },
] as const;

describe('speak.sh', () => {
  const espeak = { 'espeak-ng': `printf '%s\\n' "$@" >> "$OUT"` };

  test('says the weight, in the voice it is given', async () => {
    await using hook = await setUp('speak.sh', () => ['de'], espeak);
    await hook.deliver();
    assert.equal(await hook.read(), '-v\nde\n--\nAnna "A", the 1st 81.65 kg (+0.40)\n');
  });

  test('is silent about what is late, and what is not a weigh-in', async () => {
    await using hook = await setUp('speak.sh', () => [], espeak);
    await hook.deliver({ late: true });
    for (const other of OTHER_KINDS) await hook.deliver(other);
    assert.equal(await hook.read(), '');
  });
});

describe('append-csv.sh', () => {
  test('appends a row for each weigh-in and for nothing else, under a header, in a file that only its owner reads', async () => {
    await using hook = await setUp('append-csv.sh', (directory) => [`${directory}/my weights.csv`]);
    await hook.deliver();
    for (const other of OTHER_KINDS) await hook.deliver(other);
    await hook.deliver({ previousWeight: undefined, late: true });
    const row = {
      date: '2026-11-20T07:01:02+01:00',
      userid: '1234',
      name: 'Anna "A", the 1st',
      grpid: '6123456789',
      weight_kg: '81.65',
    };
    assert.deepEqual(parse(await hook.read('my weights.csv'), { columns: true }), [
      { ...row, change_kg: '0.4' },
      { ...row, change_kg: '' },
    ]);
  });
});

describe('post.sh', () => {
  const curl = (code: number) => ({ curl: `printf '%s\\n' "$@" > "$OUT"; cat >> "$OUT"; exit ${code}` });

  test('sends the JSON, with the headers of a file', async () => {
    await using hook = await setUp('post.sh', () => ['https://example.org/w?a=1', '/etc/my headers'], curl(0));
    await hook.deliver();
    const lines = (await hook.read()).split('\n');
    assert.equal(JSON.parse(lines.at(-2) ?? '').weight, 81.65);
    const args = lines.slice(0, -2);
    assert.deepEqual(args.slice(-8), [
      '--header',
      'Content-Type: application/json',
      '--header',
      '@/etc/my headers',
      '--data-binary',
      '@-',
      '--',
      'https://example.org/w?a=1',
    ]);
    assert.ok(args.includes('--fail'));
  });

  test('sends every kind, and says which it is', async () => {
    await using hook = await setUp('post.sh', () => ['https://example.org/'], curl(0));
    for (const other of OTHER_KINDS) {
      await hook.deliver(other);
      assert.equal(JSON.parse((await hook.read()).split('\n').at(-2) ?? '').kind, other.kind);
    }
  });

  test('fails with the server, so that it is tried again', async () => {
    await using hook = await setUp('post.sh', () => ['https://example.org/'], curl(22));
    assert.match(String(await failureOf(hook.deliver())), /exit code 22/);
    assert.ok(!(await hook.read()).includes('@/'), 'without headers of its own');
  });

  test('without a URL says that it needs one', async () => {
    await using hook = await setUp('post.sh', () => [], curl(0));
    assert.match(String(await failureOf(hook.deliver())), /exit code/);
    assert.match(hook.log.texts('hook').join(), /which URL/);
  });
});
