#!/usr/bin/env -S node --experimental-websocket --no-warnings
// Brings past readings into Home Assistant's long-term statistics, to the sensors that MQTT made:
//
//   weighbridge export --user 1234 --format json |
//     HA_TOKEN=$(cat ha-token) ./import-statistics.mjs http://homeassistant.local:8123 weight=sensor.anna_weight
//
// Needs Node 20.19 or later, and nothing else. More pairs QUANTITY=SENSOR may follow; a QUANTITY is a key of the journal,
// such as fat_ratio. HA_TOKEN is a long-lived access token of an administrator: your profile > Security. The script may
// run again: Home Assistant replaces the hours that it has.
import { argv, env, exit, stderr, stdin, stdout } from 'node:process';
import { text } from 'node:stream/consumers';

const HOUR_MS = 3_600_000;
/** Home Assistant accepts 4 MiB in a message, which is some ten times as much. */
const ROWS_PER_MESSAGE = 4_000;
const TIMEOUT_MS = 60_000;
/** Kilograms in a unit. Home Assistant keeps statistics in the unit that was chosen for the sensor. */
const MASS = { kg: 1, g: 0.001, lb: 0.453_592_37, st: 6.350_293_18 };
/** Other units in which the journal has its values, and which Home Assistant could convert. */
const OURS = ['%', 'm', 'm/s', 's', '°C', 'mmHg'];
/** Attributions of readings that may be another person's, or wrong. */
const UNSURE = [1, 4];

class Failure extends Error {}

function readArguments([site = '', ...pairs]) {
  const sensors = pairs.map((pair) => /^([a-z0-9_]+)=(sensor\.[a-z0-9_]+)$/.exec(pair)?.slice(1));
  if (!/^https?:\/\//.test(site) || pairs.length === 0 || sensors.includes(undefined) || !env.HA_TOKEN) {
    stderr.write('usage: HA_TOKEN=… import-statistics.mjs http://homeassistant.local:8123 QUANTITY=SENSOR …\n');
    exit(2);
  }
  return { site, sensors };
}

/** The readings that count, and whose hour is over: Home Assistant itself writes the row of the current hour. */
async function readReadings() {
  const lines = (await text(stdin)).split('\n').filter((line) => line !== '');
  const readings = lines.map((line) => JSON.parse(line));
  if (new Set(readings.map(({ userid }) => userid)).size > 1)
    throw new Failure('the input has several people: run weighbridge export --user USERID --format json');
  const isOver = ({ timestamp }) => hourOf(timestamp) + HOUR_MS <= Date.now();
  return readings.filter((reading) => !reading.held && !UNSURE.includes(reading.attrib) && isOver(reading));
}

function hourOf(timestamp) {
  return Math.floor((timestamp * 1000) / HOUR_MS) * HOUR_MS;
}

/** Connects, logs in, and returns what sends a command and waits for its result. */
async function connect(site) {
  const address = new URL('/api/websocket', site.replace(/^http/, 'ws'));
  const socket = new WebSocket(address);
  const answer = () =>
    new Promise((resolve, reject) => {
      const fail = (what) => () => reject(new Failure(`${what}: ${address}`));
      socket.addEventListener('message', ({ data }) => resolve(JSON.parse(data)), { once: true });
      socket.addEventListener('error', fail('cannot reach Home Assistant'), { once: true });
      socket.addEventListener('close', fail('Home Assistant closed the connection'), { once: true });
      AbortSignal.timeout(TIMEOUT_MS).addEventListener('abort', fail('Home Assistant does not answer'));
    });
  const ask = (message) => {
    socket.send(JSON.stringify(message));
    return answer();
  };
  await answer();
  const { type, message, ha_version } = await ask({ type: 'auth', access_token: env.HA_TOKEN });
  if (type !== 'auth_ok') throw new Failure(`Home Assistant refused the token: ${message}`);
  let id = 0;
  return {
    version: ha_version,
    close: () => socket.close(),
    async command(fields) {
      id += 1;
      const { success, result, error } = await ask({ id, ...fields });
      if (!success) throw new Failure(`Home Assistant refused ${fields.type}: ${error.message} (${error.code})`);
      return result;
    },
  };
}

/** As Home Assistant has it already, so that nothing of it changes. */
function toMetadata(known, sensor, version) {
  if (known === undefined)
    throw new Failure(`Home Assistant has no statistics of ${sensor}. Check its id; a new sensor needs ten minutes.`);
  const { statistic_id, source, name, mean_type = known.has_mean ? 1 : 0, unit_class, has_sum } = known;
  if (mean_type !== 1 || has_sum) throw new Failure(`${sensor} is a sum, and not a measurement`);
  const [year, month] = version.split('.').map(Number);
  // Since 2025.11 Home Assistant asks for both kinds; before, it refuses them.
  const kinds = year * 12 + month >= 2025 * 12 + 11 ? { mean_type, unit_class } : { has_mean: true };
  const unit_of_measurement = known.statistics_unit_of_measurement;
  return { statistic_id, source, name: name ?? null, unit_of_measurement, has_sum, ...kinds };
}

/** How much of the journal's unit one of the sensor's is. */
function unitSize({ unit_class, statistics_unit_of_measurement: unit }, sensor) {
  if (unit in MASS) return MASS[unit];
  if (unit_class === null || OURS.includes(unit)) return 1;
  throw new Failure(`Home Assistant keeps ${sensor} in ${unit}, which this script cannot convert`);
}

/** A row for each hour with a value. */
function toRows(readings, quantity, size) {
  const hours = new Map();
  for (const { timestamp, measures } of readings) {
    if (measures[quantity] === undefined) continue;
    const hour = hourOf(timestamp);
    hours.set(hour, [...(hours.get(hour) ?? []), measures[quantity] / size]);
  }
  return [...hours].map(([hour, values]) => ({
    start: new Date(hour).toISOString(),
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    min: Math.min(...values),
    max: Math.max(...values),
  }));
}

async function run({ site, sensors }) {
  const readings = await readReadings();
  const assistant = await connect(site);
  const statistic_ids = sensors.map(([, sensor]) => sensor);
  const known = await assistant.command({ type: 'recorder/get_statistics_metadata', statistic_ids });
  for (const [quantity, sensor] of sensors) {
    const its = known.find(({ statistic_id }) => statistic_id === sensor);
    const metadata = toMetadata(its, sensor, assistant.version);
    const rows = toRows(readings, quantity, unitSize(its, sensor));
    for (let at = 0; at < rows.length; at += ROWS_PER_MESSAGE) {
      const stats = rows.slice(at, at + ROWS_PER_MESSAGE);
      await assistant.command({ type: 'recorder/import_statistics', metadata, stats });
    }
    stdout.write(`${sensor}: ${rows.length} hours with ${quantity}\n`);
  }
  assistant.close();
}

try {
  await run(readArguments(argv.slice(2)));
} catch (error) {
  if (!(error instanceof Failure || error instanceof SyntaxError)) throw error;
  stderr.write(`error: ${error.message}\n`);
  exit(1);
}
