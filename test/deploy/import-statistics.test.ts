import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { toReading } from '../../src/domain/reading.ts';
import { formatLine } from '../../src/storage/journal/line.ts';
import { ANNA, BO, weighIn } from '../support/people.ts';

const SCRIPT = fileURLToPath(new URL('../../../deploy/home-assistant/import-statistics.mjs', import.meta.url));
/** The options that its first line gives to Node. */
const [, , , ...OPTIONS] = readFileSync(SCRIPT, 'utf8').split('\n', 1).join('').split(' ');
const TOKEN = 'long-lived';

type Fields = Readonly<Record<string, unknown>>;

const WEIGHT = {
  statistic_id: 'sensor.anna_weight',
  source: 'recorder',
  name: null,
  statistics_unit_of_measurement: 'kg',
  display_unit_of_measurement: 'kg',
  unit_class: 'mass',
  has_mean: true,
  mean_type: 1,
  has_sum: false,
};

/** A Home Assistant as far as the script sees it: https://developers.home-assistant.io/docs/api/websocket */
async function startAssistant(known: readonly Fields[], { version = '2025.11.1', refuses = false } = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/api/websocket', maxPayload: 4 * 1024 ** 2 });
  await once(server, 'listening');
  const imports: Fields[] = [];
  server.on('connection', (socket) => {
    const send = (message: Fields) => socket.send(JSON.stringify(message));
    let lastId = 0;
    send({ type: 'auth_required', ha_version: version });
    socket.on('message', (data) => {
      const { id, type, ...fields } = JSON.parse(String(data));
      if (type === 'auth') {
        if (fields.access_token === TOKEN) send({ type: 'auth_ok', ha_version: version });
        else send({ type: 'auth_invalid', message: 'Invalid access token or password' });
        return;
      }
      assert.ok(id > lastId, 'each command has a higher id');
      lastId = id;
      if (type === 'recorder/get_statistics_metadata') {
        const result = known.filter(({ statistic_id }) => fields.statistic_ids.includes(statistic_id));
        send({ id, type: 'result', success: true, result });
        return;
      }
      assert.equal(type, 'recorder/import_statistics');
      if (refuses) {
        send({ id, type: 'result', success: false, error: { code: 'unauthorized', message: 'Unauthorized' } });
        return;
      }
      imports.push(fields);
      send({ id, type: 'result', success: true, result: null });
    });
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    imports,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const client of server.clients) client.terminate();
      await closed;
    },
  };
}

async function run(args: readonly string[], input: string, token = TOKEN) {
  const options = { env: { PATH: process.env['PATH'], HA_TOKEN: token } };
  const child = spawn(process.execPath, [...OPTIONS, SCRIPT, ...args], options);
  child.stdin.on('error', () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, stdout, stderr };
}

const at = (time: string) => new Date(`2026-01-31T${time}Z`);
const line = (...[kilograms, takenAt, changes]: Parameters<typeof weighIn>) =>
  `${formatLine(toReading(ANNA, weighIn(kilograms, takenAt, changes)))}\n`;
const PAIR = 'weight=sensor.anna_weight';

describe('import-statistics.mjs', () => {
  it('imports a row for each hour with a counted weigh-in, under the sensor that Home Assistant has', async () => {
    await using assistant = await startAssistant([WEIGHT]);
    const held = formatLine({ ...toReading(ANNA, weighIn(116, at('06:30:00'))), held: 'jump' });
    const input = [
      line(81.25, at('06:00:00')),
      line(81.75, at('06:59:59')),
      line(99, at('06:10:00'), { attribution: 1 }),
      `${held}\n`,
      line(80, at('07:00:00')),
      line(60, at('07:01:00'), { measures: [{ type: 11, value: 61, position: undefined }] }),
      // Home Assistant writes the row of this hour itself.
      line(82, new Date(Date.now() + 3_600_000)),
    ].join('');
    const result = await run([assistant.url, PAIR], input);
    assert.deepEqual(result, { code: 0, stdout: 'sensor.anna_weight: 2 hours with weight\n', stderr: '' });
    const metadata = {
      statistic_id: 'sensor.anna_weight',
      source: 'recorder',
      name: null,
      unit_of_measurement: 'kg',
      unit_class: 'mass',
      mean_type: 1,
      has_sum: false,
    };
    const stats = [
      { start: '2026-01-31T06:00:00.000Z', mean: 81.5, min: 81.25, max: 81.75 },
      { start: '2026-01-31T07:00:00.000Z', mean: 80, min: 80, max: 80 },
    ];
    assert.deepEqual(assistant.imports, [{ metadata, stats }]);
  });

  it('sends the older format to an older Home Assistant, and converts to the unit of the sensor', async () => {
    const ratio = {
      ...WEIGHT,
      statistic_id: 'sensor.fat',
      statistics_unit_of_measurement: '%',
      unit_class: 'unitless',
    };
    const pounds = { ...WEIGHT, statistics_unit_of_measurement: 'lb' };
    await using assistant = await startAssistant([ratio, pounds], { version: '2025.10.4' });
    const measures = [
      { type: 1, value: 45.359237, position: undefined },
      { type: 6, value: 17.3, position: undefined },
    ];
    const { code } = await run([assistant.url, PAIR, 'fat_ratio=sensor.fat'], line(0, at('06:00:00'), { measures }));
    assert.equal(code, 0);
    const [weight, fat] = assistant.imports;
    assert.deepEqual(weight?.['metadata'], {
      statistic_id: 'sensor.anna_weight',
      source: 'recorder',
      name: null,
      unit_of_measurement: 'lb',
      has_mean: true,
      has_sum: false,
    });
    const start = '2026-01-31T06:00:00.000Z';
    assert.deepEqual(weight?.['stats'], [{ start, mean: 100, min: 100, max: 100 }]);
    assert.deepEqual(fat?.['stats'], [{ start, mean: 17.3, min: 17.3, max: 17.3 }]);
  });

  it('sends a long history in several messages', async () => {
    await using assistant = await startAssistant([WEIGHT]);
    const hours = Array.from({ length: 4_001 }, (_, index) =>
      line(80, new Date(1_700_000_000_000 + index * 3_600_000)),
    );
    const { code } = await run([assistant.url, PAIR], hours.join(''));
    assert.equal(code, 0);
    assert.deepEqual(
      assistant.imports.map(({ stats }) => Array.isArray(stats) && stats.length),
      [4_000, 1],
    );
  });

  const one = line(81.25, at('06:00:00'));
  for (const { what, known = [WEIGHT], refuses = false, token = TOKEN, input = one, says } of [
    {
      what: 'a sensor that has no statistics yet',
      known: [],
      says: /no statistics of sensor\.anna_weight\. Check its id/,
    },
    { what: 'a sensor that adds up', known: [{ ...WEIGHT, has_sum: true }], says: /is a sum/ },
    {
      what: 'a unit that it cannot convert',
      known: [{ ...WEIGHT, unit_class: 'temperature', statistics_unit_of_measurement: '°F' }],
      says: /in °F, which this script cannot convert/,
    },
    { what: 'a rejected token', token: 'other', says: /refused the token: Invalid access token/ },
    { what: 'a token without rights', refuses: true, says: /refused recorder\/import_statistics: Unauthorized/ },
    {
      what: 'the readings of several people',
      input: `${one}${formatLine(toReading(BO, weighIn(70, at('06:00:00'))))}\n`,
      says: /several people: run weighbridge export --user/,
    },
    { what: 'CSV', input: 'userid,name\n', says: /JSON/ },
  ]) {
    it(`imports nothing and reports ${what}`, async () => {
      await using assistant = await startAssistant(known, { refuses });
      const { code, stdout, stderr } = await run([assistant.url, PAIR], input, token);
      assert.deepEqual([code, stdout, assistant.imports], [1, '', []]);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /other|long-lived/);
    });
  }

  it('reports an unreachable Home Assistant', async () => {
    const { url, [Symbol.asyncDispose]: stop } = await startAssistant([]);
    await stop();
    const { code, stderr } = await run([url, PAIR], one);
    assert.equal(code, 1);
    assert.match(stderr, /^error: cannot reach Home Assistant: ws:\/\/127\.0\.0\.1:\d+\/api\/websocket\n$/);
  });

  it('exits 2 and shows its usage after wrong arguments', async () => {
    for (const args of [[], ['http://127.0.0.1:9'], ['127.0.0.1', PAIR], ['http://127.0.0.1:9', 'weight']]) {
      const { code, stderr } = await run(args, '');
      assert.equal(code, 2);
      assert.match(stderr, /^usage: HA_TOKEN=/);
    }
  });
});
