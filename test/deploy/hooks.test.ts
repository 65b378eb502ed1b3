import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { commandLine } from '../../src/config/command-line.ts';
import { NOTHING_DERIVED } from '../../src/domain/derived.ts';
import { createHook } from '../../src/publishers/hook/publisher.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { formatInfluxLine } from '../../src/storage/journal/influx.ts';
import { DELIVERY, READING, signalGroup, writeScript } from '../support/hook-bench.ts';
import { ANNA, BO } from '../support/people.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { http, type Received, startScriptedServer } from '../support/scripted-server.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { failureOf } from '../support/watched-files.ts';

const HOOKS = fileURLToPath(new URL('../../../deploy/hooks/', import.meta.url));

/** Runs an example hook behind the real publisher. `fakes` come first in PATH. */
async function setUp(
  hookName: string,
  args: (directory: string) => readonly string[],
  fakes: Record<string, string> = {},
  { name = 'Anna "A", the 1st' } = {},
) {
  const directory = await temporaryDirectory();
  const bin = `${directory.path}/bin`;
  await mkdir(bin);
  for (const [fake, script] of Object.entries(fakes)) await writeScript(`${bin}/${fake}`, script);
  const log = createRecordingLog();
  const hook = createHook({
    command: [`${HOOKS}${hookName}`, ...args(directory.path)],
    environment: { PATH: `${bin}:${process.env['PATH']}:${HOOKS}`, OUT: `${directory.path}/out` },
    hearsHeld: true,
    derived: async () => NOTHING_DERIVED,
    hearsBed: true,
    people: { names: new Map([[ANNA, name]]), unit: 'kg' },
    parking: { path: '', park: async () => undefined },
    signalGroup,
    clock: realClock,
    log,
  });
  return {
    log,
    directory: directory.path,
    deliverBed: (late: boolean) =>
      hook.deliverBed?.(
        { event: { userId: ANNA, kind: 'in_bed', at: READING.takenAt, deviceId: undefined }, late },
        new AbortController().signal,
      ),
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

const missing = ['curl', 'jq'].filter((program) => spawnSync(program, ['--version']).error !== undefined);
/** The hooks need curl and jq. */
const skip = missing.length === 0 ? false : `needs ${missing.join(' and ')}`;

/** The parts of a request that matter to the server. */
function sent({ method, url, headers, body }: Received) {
  return { request: `${method} ${url}`, authorization: headers.authorization, type: headers['content-type'], body };
}

/** Runs a server behind a hook that reads a file of options for curl. */
async function setUpWithServer(
  hookName: string,
  options: {
    readonly args: (at: { readonly origin: string; readonly file: string }) => readonly string[];
    /** The lines of the file. */
    readonly file: (origin: string) => readonly string[];
    readonly answer?: ReturnType<typeof http>;
    readonly name?: string;
  },
) {
  const server = await startScriptedServer(options.answer ?? http(200, {}, '{}'));
  const { origin } = server.url;
  const { name } = options;
  const hook = await setUp(
    hookName,
    (directory) => options.args({ origin, file: `${directory}/it's.curl` }),
    {},
    name === undefined ? {} : { name },
  );
  await writeFile(`${hook.directory}/it's.curl`, options.file(origin).join('\n'), { mode: 0o600 });
  return {
    ...hook,
    server,
    sent: () => server.received.map(sent),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await hook[Symbol.asyncDispose]();
    },
  };
}

const messengers = {
  'ntfy.sh': {
    file: (origin: string) => [`url = "${origin}/topic-7f"`, 'header = "Authorization: Bearer tk_1"'],
    request: { request: 'POST /topic-7f', authorization: 'Bearer tk_1' },
    body: (text: string) => text,
  },
  'telegram.sh': {
    file: (origin: string) => [`url = "${origin}/bot1:AA/sendMessage"`, 'data-urlencode = "chat_id=-42"'],
    request: { request: 'POST /bot1:AA/sendMessage', authorization: undefined },
    body: (text: string) => new URLSearchParams({ chat_id: '-42', text }).toString(),
  },
};

for (const [name, { file, request, body }] of Object.entries(messengers)) {
  const set = { args: (at: { readonly file: string }) => [at.file], file };
  const type = 'application/x-www-form-urlencoded';

  describe(name, { skip }, () => {
    test('sends the text of a fresh weigh-in or reading, a held one, and a fresh bed event', async () => {
      await using hook = await setUpWithServer(name, { ...set, name: 'Zoë & "A"' });
      const [reading, , , , held] = OTHER_KINDS;
      await hook.deliver();
      await hook.deliver(reading);
      await hook.deliver(held);
      await hook.deliverBed(false);
      const texts = [
        'Zoë & "A" 81.65 kg (+0.40)',
        'Zoë & "A" heart rate 61 bpm',
        'Zoë & "A" 81.65 kg (held: jump)',
        'Zoë & "A" is in bed',
      ];
      assert.deepEqual(
        hook.sent(),
        texts.map((text) => ({ ...request, type, body: body(text) })),
      );
    });

    test('sends nothing for a late delivery, a correction or an addition', async () => {
      await using hook = await setUpWithServer(name, set);
      const [reading, addition, correction, withdrawn] = OTHER_KINDS;
      for (const each of [addition, correction, withdrawn]) await hook.deliver(each);
      await hook.deliver({ ...reading, late: true });
      await hook.deliver({ late: true });
      await hook.deliverBed(true);
      assert.deepEqual(hook.sent(), []);
    });

    test('fails if the server rejects the message, with its reason and without the secrets', async () => {
      await using hook = await setUpWithServer(name, { ...set, answer: http(403, {}, '{"error":"forbidden"}') });
      assert.match(String(await failureOf(hook.deliver())), /exit code 22/);
      const log = hook.log.texts('hook').join('\n');
      assert.match(log, /403/);
      assert.match(log, /forbidden/);
      assert.doesNotMatch(log, /topic-7f|tk_1|bot1|-42/);
    });

    test('reports the missing file', async () => {
      await using hook = await setUp(name, () => []);
      assert.match(String(await failureOf(hook.deliver())), /exit code/);
      assert.match(hook.log.texts('hook').join(), /which file of options for curl/);
    });
  });
}

describe('influxdb.sh', { skip }, () => {
  const type = 'text/plain; charset=utf-8';
  const two = {
    args: ({ origin, file }: { readonly origin: string; readonly file: string }) => [
      `${origin}/api/v2/write?org=o&bucket=b`,
      file,
    ],
    file: () => ['header = "Authorization: Token t1"'],
  };
  const one = {
    args: ({ origin, file }: { readonly origin: string; readonly file: string }) => [`${origin}/write?db=d`, file],
    file: () => ['user = "me:pass word"'],
  };
  const basic = `Basic ${Buffer.from('me:pass word').toString('base64')}`;
  const [reading, addition, correction, withdrawn, held] = OTHER_KINDS;
  const line = 'weighbridge,userid=1234,name=Anna weight=81.65,fat_ratio=17.3 1795154462000000000\n';

  for (const [version, set, request, authorization] of [
    [2, two, 'POST /api/v2/write?org=o&bucket=b', 'Token t1'],
    [1, one, 'POST /write?db=d', basic],
  ] as const) {
    test(`writes every kind that counts to InfluxDB ${version}, at the time of the measurement`, async () => {
      await using hook = await setUpWithServer('influxdb.sh', { ...set, name: 'Anna', answer: http(204) });
      await hook.deliver();
      await hook.deliver(reading);
      await hook.deliver(addition);
      await hook.deliver(correction);
      const ofReading = 'weighbridge,userid=1234,name=Anna heart_rate=61 1795154462000000000\n';
      assert.deepEqual(
        hook.sent(),
        [line, ofReading, line, line].map((body) => ({ request, authorization, type, body })),
      );
    });
  }

  test('writes late readings, but no held ones, bed events or readings without values', async () => {
    await using hook = await setUpWithServer('influxdb.sh', { ...two, name: 'Anna', answer: http(204) });
    await hook.deliver(held);
    await hook.deliverBed(false);
    await hook.deliver({ reading: { ...READING, measures: {} } });
    await hook.deliver({ late: true });
    assert.deepEqual(
      hook.sent().map(({ body }) => body),
      [line],
    );
  });

  for (const name of ['Anna, the =1st', 'a\\ b\\\\', '\\', 'Zoë\nLi', '"x"']) {
    test(`writes the same line as the export for any name: ${JSON.stringify(name)}`, async () => {
      await using hook = await setUpWithServer('influxdb.sh', { ...two, name, answer: http(204) });
      const measures = { weight: 81.65, segment_fat_mass_12: 0.001, type_999: 12_345_678_901, skin: -0.5 };
      await hook.deliver({ reading: { ...READING, measures } });
      assert.equal(hook.sent()[0]?.body, formatInfluxLine({ ...READING, measures }, name));
    });
  }

  test('deletes a withdrawn weigh-in from InfluxDB 2', async () => {
    await using hook = await setUpWithServer('influxdb.sh', { ...two, answer: http(204) });
    await hook.deliver(withdrawn);
    const [only, ...more] = hook.sent();
    assert.deepEqual(more, []);
    assert.equal(only?.request, 'POST /api/v2/delete?org=o&bucket=b');
    assert.deepEqual([only?.authorization, only?.type], ['Token t1', 'application/json']);
    assert.deepEqual(JSON.parse(only?.body ?? ''), {
      start: '2026-11-20T06:01:02Z',
      stop: '2026-11-20T06:01:02.999999999Z',
      predicate: '_measurement="weighbridge" AND userid="1234"',
    });
  });

  test('deletes a withdrawn weigh-in from InfluxDB 1', async () => {
    await using hook = await setUpWithServer('influxdb.sh', { ...one, answer: http(200, {}, '{"results":[{}]}') });
    await hook.deliver(withdrawn);
    const [only] = hook.server.received;
    assert.deepEqual([only?.method, only?.url, only?.headers.authorization], ['POST', '/query?db=d', basic]);
    const query = "DELETE FROM weighbridge WHERE userid = '1234' AND time = 1795154462000000000";
    assert.equal(only?.form['q']?.trim(), query);
  });

  test('reports a server that cannot delete, and continues', async () => {
    await using hook = await setUpWithServer('influxdb.sh', { ...two, answer: http(404) });
    await hook.deliver(withdrawn);
    assert.match(hook.log.texts('hook').join(), /cannot delete.*1234 at 2026-11-20T07:01:02\+01:00/);
  });

  for (const [what, answer, changes] of [
    ['a write', http(400, {}, '{"code":"invalid","message":"field type conflict"}'), {}],
    ['a write to a bucket that is not there', http(404, {}, 'field type conflict'), {}],
    ['a query, though with 200', http(200, {}, '{"results":[{"error":"field type conflict"}]}'), withdrawn],
  ] as const) {
    test(`fails if InfluxDB rejects ${what}, with its reason`, async () => {
      await using hook = await setUpWithServer('influxdb.sh', { ...one, answer });
      assert.match(String(await failureOf(hook.deliver(changes))), /exit code 1/);
      assert.match(hook.log.texts('hook').join(), /InfluxDB answered \d{3}: .*field type conflict/);
    });
  }

  test('needs no file if InfluxDB requires no login, and fails without a server', async () => {
    await using hook = await setUpWithServer('influxdb.sh', { ...two, args: (at) => two.args(at).slice(0, 1) });
    await hook.deliver();
    assert.deepEqual(
      hook.sent().map(({ authorization }) => authorization),
      [undefined],
    );
    await hook.server[Symbol.asyncDispose]();
    assert.match(String(await failureOf(hook.deliver())), /exit code 7/);
  });
});

describe('prometheus.sh', { skip }, () => {
  const lines = (text: string) => text.split('\n').filter((line) => line.startsWith('weighbridge_'));
  const [, , , withdrawn, held] = OTHER_KINDS;
  const who = String.raw`userid="1234",name="Anna \"A\", the 1st"`;
  const later = { takenAt: new Date(READING.takenAt.getTime() + 3_600_000), groupId: 7 };

  test('stores the newest value of each quantity in a file that every user can read', async (t) => {
    const ours = process.umask(0o077);
    t.after(() => process.umask(ours));
    await using hook = await setUp('prometheus.sh', (directory) => [directory]);
    await hook.deliver();
    await hook.deliver({
      reading: { ...READING, ...later, measures: { weight: 81 } },
      groupIds: [7],
    });
    await hook.deliver({ late: true, reading: { ...READING, measures: { weight: 90 } } });
    await hook.deliver(held);
    await hook.deliverBed(false);
    assert.deepEqual(lines(await hook.read('weighbridge-1234.prom')), [
      `weighbridge_value{${who},quantity="weight"} 81`,
      `weighbridge_value{${who},quantity="fat_ratio"} 17.3`,
      `weighbridge_measured_at_seconds{${who},quantity="weight"} 1795158062`,
      `weighbridge_measured_at_seconds{${who},quantity="fat_ratio"} 1795154462`,
    ]);
    const { mode } = await stat(`${hook.directory}/weighbridge-1234.prom`);
    assert.equal(mode & 0o777, 0o644);
    assert.deepEqual((await readdir(hook.directory)).toSorted(), ['bin', 'weighbridge-1234.prom'], 'nothing half');
  });

  test('writes a file for each person', async () => {
    await using hook = await setUp('prometheus.sh', (directory) => [directory]);
    await hook.deliver({ reading: { ...READING, userId: BO, measures: { weight: 70 } } });
    await hook.deliver();
    assert.deepEqual(lines(await hook.read('weighbridge-5678.prom')), [
      'weighbridge_value{userid="5678",name="5678",quantity="weight"} 70',
      'weighbridge_measured_at_seconds{userid="5678",name="5678",quantity="weight"} 1795154462',
    ]);
  });

  test('removes a withdrawn value, and no newer one', async () => {
    await using hook = await setUp('prometheus.sh', (directory) => [directory]);
    await hook.deliver();
    await hook.deliver({ reading: { ...READING, ...later, measures: { fat_ratio: 17 } }, groupIds: [7] });
    await hook.deliver(withdrawn);
    assert.deepEqual(lines(await hook.read('weighbridge-1234.prom')), [
      `weighbridge_value{${who},quantity="fat_ratio"} 17`,
      `weighbridge_measured_at_seconds{${who},quantity="fat_ratio"} 1795158062`,
    ]);
  });

  test('removes a quantity that a correction lacks', async () => {
    await using hook = await setUp('prometheus.sh', (directory) => [directory]);
    const [, , correction] = OTHER_KINDS;
    await hook.deliver();
    const takenAt = new Date(READING.takenAt.getTime() - 60_000);
    await hook.deliver({ ...correction, reading: { ...READING, takenAt, measures: { weight: 81 } } });
    assert.deepEqual(lines(await hook.read('weighbridge-1234.prom')), [
      `weighbridge_value{${who},quantity="weight"} 81`,
      `weighbridge_measured_at_seconds{${who},quantity="weight"} 1795154402`,
    ]);
  });

  test('leaves the file unchanged if it cannot write a new one', async () => {
    await using hook = await setUp('prometheus.sh', (directory) => [`${directory}/nowhere`]);
    assert.match(String(await failureOf(hook.deliver())), /exit code/);
    assert.match(hook.log.texts('hook').join(), /nowhere/);
  });

  test('starts over if the file is not its own', async () => {
    await using hook = await setUp('prometheus.sh', (directory) => [directory]);
    await writeFile(`${hook.directory}/weighbridge-1234.prom`, 'rubbish 1\n');
    await hook.deliver();
    assert.equal(lines(await hook.read('weighbridge-1234.prom')).length, 4);
  });
});

describe('intervals-icu.sh', { skip }, () => {
  const set = {
    args: ({ origin, file }: { readonly origin: string; readonly file: string }) => [ANNA, file, origin],
    file: () => ['user = "API_KEY:k1"'],
  };
  const request = {
    request: 'PUT /api/v1/athlete/0/wellness/2026-11-20',
    authorization: `Basic ${Buffer.from('API_KEY:k1').toString('base64')}`,
    type: 'application/json',
  };
  const [reading, addition, correction, withdrawn, held] = OTHER_KINDS;

  test('sends weight and fat ratio for the local day of the weigh-in', async () => {
    await using hook = await setUpWithServer('intervals-icu.sh', set);
    await hook.deliver();
    await hook.deliver(addition);
    await hook.deliver({ ...correction, reading: { ...READING, measures: { weight: 81 } } });
    // The time is 00:30 in Vienna, and still the day before in London.
    await hook.deliver({ reading: { ...READING, takenAt: new Date('2026-11-20T23:30:00Z') }, late: true });
    const whole = '{"weight":81.65,"bodyFat":17.3}';
    assert.deepEqual(hook.sent(), [
      { ...request, body: whole },
      { ...request, body: whole },
      { ...request, body: '{"weight":81}' },
      { ...request, request: 'PUT /api/v1/athlete/0/wellness/2026-11-21', body: whole },
    ]);
  });

  test('sends nothing of other people, held weigh-ins, beds, and readings without a weight', async () => {
    await using hook = await setUpWithServer('intervals-icu.sh', set);
    await hook.deliver({ reading: { ...READING, userId: BO } });
    await hook.deliver({ ...addition, reading: { ...READING, measures: { muscle_mass: 60 } } });
    for (const each of [reading, held]) await hook.deliver(each);
    await hook.deliverBed(false);
    assert.deepEqual(hook.sent(), []);
  });

  test('reports a withdrawn weight, which intervals.icu keeps', async () => {
    await using hook = await setUpWithServer('intervals-icu.sh', set);
    await hook.deliver(withdrawn);
    assert.deepEqual(hook.sent(), []);
    assert.match(hook.log.texts('hook').join(), /keeps its weight of 2026-11-20/);
  });

  test('fails if the key is rejected, and does not print the key', async () => {
    await using hook = await setUpWithServer('intervals-icu.sh', { ...set, answer: http(403, {}, 'Access denied') });
    assert.match(String(await failureOf(hook.deliver())), /exit code 22/);
    const log = hook.log.texts('hook').join();
    assert.match(log, /Access denied/);
    assert.doesNotMatch(log, /k1/);
  });
});

describe('several.sh', () => {
  test('runs one hook after the other, each with the reading', async () => {
    const commands = (directory: string) => [`append-csv.sh '${directory}/my weights.csv'`, `cat > '${directory}/a b'`];
    await using hook = await setUp('several.sh', commands);
    await hook.deliver();
    assert.match(await hook.read('my weights.csv'), /,81\.65,/);
    assert.equal(JSON.parse(await hook.read('a b')).weight, 81.65);
  });

  test('stops at the hook that fails, and names it without its arguments', async () => {
    const commands = (directory: string) => ['exit 3', `touch '${directory}/reached'`];
    await using hook = await setUp('several.sh', commands);
    assert.match(String(await failureOf(hook.deliver())), /exit code 3/);
    assert.deepEqual(hook.log.texts('hook'), ['hook: this hook failed: exit']);
    assert.ok(!(await readdir(hook.directory)).includes('reached'));
  });
});

describe('secrets', { skip }, () => {
  test('never appear in a command line of curl or jq', async () => {
    const spy = 'for word; do printf "%s\\n" "$word" >> "$OUT"; done; cat > /dev/null';
    for (const [name, args] of [
      ['ntfy.sh', ['f']],
      ['telegram.sh', ['f']],
      ['influxdb.sh', ['http://127.0.0.1:9/write?db=d', 'f']],
      ['intervals-icu.sh', ['1234', 'f', 'http://127.0.0.1:9']],
    ] as const) {
      await using hook = await setUp(name, () => args, { curl: spy });
      await failureOf(hook.deliver());
      const words = (await hook.read()).split('\n');
      assert.ok(words.includes('--config') && words.includes('f'), name);
      assert.ok(!words.some((word) => /81\.65|header = |user = /.test(word)), name);
    }
  });
});

describe('speak.sh', () => {
  const espeak = { 'espeak-ng': `printf '%s\\n' "$@" >> "$OUT"` };

  test('speaks the weight with the given voice', async () => {
    await using hook = await setUp('speak.sh', () => ['de'], espeak);
    await hook.deliver();
    assert.equal(await hook.read(), '-v\nde\n--\nAnna "A", the 1st 81.65 kg (+0.40)\n');
  });

  test('does not speak for a late delivery, nor for anything but a weigh-in', async () => {
    await using hook = await setUp('speak.sh', () => [], espeak);
    await hook.deliver({ late: true });
    for (const other of OTHER_KINDS) await hook.deliver(other);
    assert.equal(await hook.read(), '');
  });
});

describe('append-csv.sh', () => {
  test('appends a row for each weigh-in only, under a header, in a private file', async () => {
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

describe('append-csv.sh, as `export`,', () => {
  for (const name of ['=1+1', '+1', '-1', '@x', '\t=1', '＝1', 'Anna =1']) {
    test(`writes a name that no spreadsheet runs: ${JSON.stringify(name)}`, async () => {
      await using hook = await setUp('append-csv.sh', (directory) => [`${directory}/w.csv`], {}, { name });
      await hook.deliver();
      const [row] = parse(await hook.read('w.csv'), { columns: true }) as { readonly name: string }[];
      assert.equal(row?.name, name.startsWith('Anna') ? name : `'${name}`);
    });
  }
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

  test('sends every kind with its name', async () => {
    await using hook = await setUp('post.sh', () => ['https://example.org/'], curl(0));
    for (const other of OTHER_KINDS) {
      await hook.deliver(other);
      assert.equal(JSON.parse((await hook.read()).split('\n').at(-2) ?? '').kind, other.kind);
    }
  });

  test('fails with the server, so that weighbridge retries', async () => {
    await using hook = await setUp('post.sh', () => ['https://example.org/'], curl(22));
    assert.match(String(await failureOf(hook.deliver())), /exit code 22/);
    assert.ok(!(await hook.read()).includes('@/'), 'without headers of its own');
  });

  test('reports a missing URL', async () => {
    await using hook = await setUp('post.sh', () => [], curl(0));
    assert.match(String(await failureOf(hook.deliver())), /exit code/);
    assert.match(hook.log.texts('hook').join(), /which URL/);
  });
});

test('hooks.md has a setting for each hook that weighbridge accepts', async () => {
  const document = await readFile(`${HOOKS}../../docs/hooks.md`, 'utf8');
  const settings = [...document.matchAll(/^\| .* \| `HOOK_COMMAND=(.*?)` \|/gm)].map(([, setting = '']) => setting);
  const programs = settings.map((setting) => commandLine(setting)[0]);
  assert.deepEqual([...new Set(programs)].toSorted(), (await readdir(HOOKS)).toSorted());
});
