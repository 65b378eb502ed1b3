import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/config.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { SECRET_NAMES } from '../../src/config/sources.ts';
import { BED_KINDS } from '../../src/domain/bed.ts';
import { WEIGHT_UNITS } from '../../src/domain/format.ts';
import { LOG_LEVELS } from '../../src/domain/log.ts';
import { MEASURE_APPLIS } from '../../src/domain/notification.ts';
import { readOptions } from '../../src/home-assistant/options.ts';
import { ROOT } from '../support/packed.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** These tests work without the Supervisor. docs/decisions/home-assistant-app.md explains its schema. */
const APP = join(ROOT, 'deploy/home-assistant-app');
const read = (name: string) => readFileSync(join(APP, name), 'utf8');
const CONFIG = parse(read('config.yaml'));
const SCHEMA: Readonly<Record<string, string | readonly string[]>> = CONFIG.schema;
const typeOf = (name: string) => [SCHEMA[name] ?? ''].flat()[0] ?? '';
const LANGUAGES = readdirSync(join(APP, 'translations'));
const run = promisify(execFile);

/** Returns the values of an instruction in order. */
function instructions(name: string): readonly string[] {
  const lines = read('Containerfile').replaceAll('\\\n', '').split('\n');
  return lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
}

const IMAGE = Object.fromEntries(
  instructions('ENV').flatMap((line) => line.split(' ').map((each) => each.split('=') as [string, string])),
);

describe('the app for Home Assistant', () => {
  test('has the version of the program', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    assert.equal(CONFIG.version, version);
    assert.match(read('CHANGELOG.md'), new RegExp(`^## ${version}`, 'm'));
  });

  test('has settings as options, and none that the image sets', () => {
    for (const name of Object.keys(SCHEMA)) {
      assert.ok(name in SETTINGS, name);
      assert.ok(!(name in IMAGE), name);
    }
    for (const name of Object.keys(CONFIG.options)) assert.ok(name in SCHEMA, name);
    for (const name of [...SECRET_NAMES, 'WITHINGS_CLIENT_ID']) assert.match(typeOf(name), /^password\??$/, name);
  });

  test('requires the client id and secret, and starts with the defaults of weighbridge', async () => {
    const required = Object.keys(SCHEMA).filter((name) => !typeOf(name).endsWith('?') && !(name in CONFIG.options));
    assert.deepEqual(required, ['WITHINGS_CLIENT_ID', 'WITHINGS_CLIENT_SECRET']);
    const needed = { WITHINGS_CLIENT_ID: 'id', WITHINGS_CLIENT_SECRET: 'secret' };
    await using place = await temporaryDirectory();
    const path = join(place.path, 'options.json');
    await writeFile(path, JSON.stringify({ ...needed, ...CONFIG.options }));
    const options = readOptions(path, assert.fail);
    const { config, warnings } = parseConfig(options, 'withings', Object.keys(options));
    assert.deepEqual(config, parseConfig(needed).config);
    assert.deepEqual(warnings, []);
  });

  test('offers the values that the settings accept', () => {
    const choices = (name: string) => /^list\((.*)\)\??$/.exec(typeOf(name))?.[1]?.split('|');
    const applis = [...MEASURE_APPLIS, ...BED_KINDS.keys()].sort((one, other) => one - other);
    assert.deepEqual(choices('APPLIS'), applis.map(String));
    assert.deepEqual(choices('WEIGHT_UNIT'), [...WEIGHT_UNITS]);
    assert.deepEqual(choices('LOG_LEVEL'), [...LOG_LEVELS]);
    for (const name of Object.keys(SCHEMA)) {
      const [, pattern] = /^match\((.*)\)\??$/.exec(typeOf(name)) ?? [];
      for (const example of (SETTINGS[name]?.example ?? '').split(','))
        if (pattern !== undefined) assert.match(example, new RegExp(pattern), name);
    }
  });

  test('explains each option and each port in each language', () => {
    assert.deepEqual(LANGUAGES.toSorted(), ['de.yaml', 'en.yaml', 'fr.yaml', 'ja.yaml']);
    for (const language of LANGUAGES) {
      const { configuration, network } = parse(read(`translations/${language}`));
      assert.deepEqual(Object.keys(configuration), Object.keys(SCHEMA), language);
      assert.deepEqual(Object.keys(network), Object.keys(CONFIG.ports), language);
      for (const [name, texts] of Object.entries(configuration)) {
        assert.deepEqual(Object.keys(texts as object), ['name', 'description'], `${language} ${name}`);
      }
    }
  });

  test('maps the ports that the image opens', () => {
    assert.equal(`${CONFIG.ingress_port}`, IMAGE['STATUS_PORT']);
    assert.equal(CONFIG.watchdog, `http://[HOST]:[PORT:${IMAGE['STATUS_PORT']}]/healthz?live`);
    assert.deepEqual(CONFIG.ports, {
      [`${IMAGE['PORT']}/tcp`]: Number(IMAGE['PORT']),
      [`${IMAGE['STATUS_PORT']}/tcp`]: null,
    });
    assert.deepEqual([CONFIG.ingress, CONFIG.services, CONFIG.backup], [true, ['mqtt:want'], 'hot']);
    assert.deepEqual(CONFIG.arch, ['aarch64', 'amd64']);
  });

  test('exposes the page to the Supervisor only, and keeps its files in /data', () => {
    const env = { ...IMAGE, WITHINGS_CLIENT_ID: 'id', WITHINGS_CLIENT_SECRET: 'secret' };
    const { config, problems } = parseConfig(env);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      [config?.status.ingress, config?.status.password, config?.status.host],
      ['172.30.32.2', undefined, '0.0.0.0'],
    );
    assert.deepEqual(instructions('WORKDIR'), ['/data']);
    assert.equal(IMAGE['SUPERVISOR_OPTIONS'], '/data/options.json');
    assert.match(
      readFileSync(join(ROOT, 'deploy/container/Containerfile'), 'utf8'),
      /TOKENS_DIR=\.\/tokens DATA_DIR=\.\/data$/m,
    );
  });

  test('starts with tini, and drops root before weighbridge runs', async () => {
    assert.deepEqual(instructions('ENTRYPOINT'), ['["tini", "--", "weighbridge-app"]']);
    assert.match(read('Containerfile'), /^COPY --chmod=0755 run\.sh \/usr\/local\/bin\/weighbridge-app$/m);
    await using place = await temporaryDirectory();
    for (const name of ['chown', 'setpriv']) {
      const path = join(place.path, name);
      await writeFile(path, `#!/bin/sh\necho "${name} $* HOME=$HOME"\n`);
      await chmod(path, 0o755);
    }
    const { stdout } = await run('sh', [join(APP, 'run.sh')], { env: { PATH: `${place.path}:/usr/bin:/bin` } });
    const [chown, setpriv, ...more] = stdout.trim().split('\n');
    assert.deepEqual(more, []);
    assert.match(chown ?? '', /^chown --recursive --no-dereference 1000:1000 \/data /);
    assert.match(
      setpriv ?? '',
      /--reuid=1000 --regid=1000 --clear-groups --no-new-privs .*--bounding-set=-all weighbridge serve HOME=\/data$/,
    );
  });

  test('has pictures in the sizes that Home Assistant shows', () => {
    for (const [name, width, height] of [
      ['icon.png', 128, 128],
      ['logo.png', 320, 100],
    ] as const) {
      const image = readFileSync(join(APP, name));
      assert.equal(image.toString('latin1', 1, 4), 'PNG', name);
      assert.deepEqual([image.readUInt32BE(16), image.readUInt32BE(20)], [width, height], name);
    }
  });

  test('names the tested versions', () => {
    assert.match(read('DOCS.md'), /tried on a simulated Supervisor only/);
    assert.equal(CONFIG.stage, 'experimental');
  });
});
