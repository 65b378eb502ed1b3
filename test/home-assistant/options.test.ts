import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/config/config.ts';
import { readOptions } from '../../src/home-assistant/options.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** Reads options as the Supervisor writes them. */
async function read(options: unknown) {
  await using place = await temporaryDirectory();
  const path = join(place.path, 'options.json');
  await writeFile(path, typeof options === 'string' ? options : JSON.stringify(options, undefined, 2), { mode: 0o600 });
  const said: string[] = [];
  return { settings: readOptions(path, (line) => said.push(line)), said };
}

const REQUIRED = { WITHINGS_CLIENT_ID: 'id', WITHINGS_CLIENT_SECRET: 'secret' };

describe('the options of the app', () => {
  it('become settings, and the list of people is joined as in .env', async () => {
    const { settings, said } = await read({
      ...REQUIRED,
      USER_NAMES: ['1234:Anna', '5678:Bo'],
      APPLIS: ['1', 4],
      GOALS: [],
      WEIGHT_UNIT: 'lb',
      STATUS_LINK: false,
      HOLD_JUMPS: null,
      CALLBACK_URL: '',
    });
    assert.deepEqual(said, []);
    const { config, problems } = parseConfig(settings, 'withings', Object.keys(settings));
    assert.deepEqual(problems, []);
    assert.deepEqual(
      [...(config?.people.names ?? [])],
      [
        ['1234', 'Anna'],
        ['5678', 'Bo'],
      ],
    );
    assert.deepEqual([config?.people.unit, config?.withings.applis], ['lb', [1, 4]]);
    assert.deepEqual([config?.status.offersLink, config?.callback.url], [false, undefined]);
    assert.equal(config?.hold.jumpShare, 0.2);
  });

  it('are reported by name like every setting', async () => {
    const { settings } = await read({ ...REQUIRED, USER_NAMES: ['Anna'], WEIGHT_UNITS: 'kg' });
    const { problems, warnings } = parseConfig(settings, 'withings', Object.keys(settings));
    assert.deepEqual(
      problems.map(({ name, got }) => [name, got]),
      [['USER_NAMES', 'Anna']],
    );
    assert.match(warnings.map(({ hint }) => hint).join(), /WEIGHT_UNIT\?/);
  });

  it('count as empty in an unreadable file, and no secret of the file is shown', async () => {
    for (const [text, why] of [
      ['{"WITHINGS_CLIENT_SECRET": "hush-hush", }', /they are not JSON$/],
      ['["hush-hush"]', /they are not a JSON object$/],
    ] as const) {
      const { settings, said } = await read(text);
      assert.deepEqual(settings, {});
      assert.match(said.join(), why);
      assert.doesNotMatch(said.join(), /hush/);
    }
    const said: string[] = [];
    assert.deepEqual(
      readOptions('/nowhere/options.json', (line) => said.push(line)),
      {},
    );
    assert.match(said.join(), /^warning: cannot read the options in \/nowhere\/options\.json: ENOENT$/);
  });
});
