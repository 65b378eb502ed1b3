import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runCommand } from '../src/cli/commands.ts';
import { parseConfig } from '../src/config/config.ts';
import { KNOWN, SETTINGS } from '../src/config/settings.ts';
import * as directory from '../src/daemon/data-directory.ts';
import { faultsOf } from '../src/doctor/callback.ts';
import { parseUserId, type UserId } from '../src/domain/token.ts';
import { deviceTopic, scaleDeviceTopic } from '../src/publishers/mqtt/home-assistant.ts';
import { createTopics } from '../src/publishers/mqtt/messages.ts';
import { codeIn, DOCUMENTS, firstCells, readDocument, USER_DOCUMENTS } from './support/documents.ts';
import { ROOT } from './support/packed.ts';

const sorted = (names: Iterable<string>) => [...new Set(names)].toSorted();
const cellsOf = (path: string) => firstCells(readDocument(path)).flatMap(codeIn);

/** The documents that have a table of these names. */
function placesOf(isOne: (name: string) => boolean): readonly string[] {
  return DOCUMENTS.filter((path) => cellsOf(path).some(isOne));
}

describe('the settings', () => {
  it('are in one document, with their defaults', () => {
    assert.deepEqual(
      placesOf((name) => name in SETTINGS && name !== 'MQTT_CHANNEL'),
      ['docs/configuration.md'],
    );
    assert.deepEqual(cellsOf('docs/configuration.md').toSorted(), Object.keys(SETTINGS).toSorted());
    for (const [, name = '', value] of readDocument('docs/configuration.md').matchAll(/^\| `(\w+)` \| `(.*?)` \|/gm))
      assert.equal(value, SETTINGS[name]?.example, name);
  });

  it('for the file of a secret are in the same document', () => {
    const listed = [...readDocument('docs/configuration.md').matchAll(/^- `(\w+_FILE)`$/gm)].map(
      ([, name = '']) => name,
    );
    assert.deepEqual(sorted(listed), sorted(Object.keys(KNOWN).filter((name) => !(name in SETTINGS))));
  });
});

describe('the topics', () => {
  it('are in one document, exactly as published', () => {
    const { id, scale, status, ...ofPerson } = createTopics('weighbridge');
    const userId = parseUserId('1234') as UserId;
    const topics = createTopics('weighbridge');
    const published = [
      status,
      ...Object.values(ofPerson).map((topic) => topic(userId, 'weight')),
      scale('0123abcd…'),
      'MQTT_CHANNEL',
      deviceTopic('homeassistant', userId, topics),
      scaleDeviceTopic('homeassistant', '0123abcd…', topics),
    ];
    assert.deepEqual(sorted(cellsOf('docs/mqtt.md')), sorted(published));
    assert.deepEqual(
      placesOf((name) => name.startsWith(`${id}/`)),
      ['docs/mqtt.md'],
    );
  });
});

describe('the files', () => {
  const documented = cellsOf('docs/files-and-backup.md');

  it('are in one document: those of the data directory', () => {
    const functions = Object.entries(directory).filter(([name]) => name.endsWith('In')) as [
      string,
      (d: string) => string,
    ][];
    const paths = functions.map(([, path]) => path('data'));
    const inData = documented.filter((name) => name.startsWith('data/') && name !== 'data/.journal.lock');
    assert.deepEqual(
      paths.filter((path) => !inData.some((name) => `${name}/`.startsWith(`${path}/`))),
      [],
    );
    assert.deepEqual(
      inData.filter((name) => !paths.some((path) => `${name}/`.startsWith(`${path}/`))),
      [],
    );
    assert.deepEqual(
      placesOf((name) => /^(data|tokens)\//.test(name)),
      ['docs/files-and-backup.md'],
    );
  });

  it('and those of the tokens directory', () => {
    const names = Object.values(directory.loginFiles('<userid>' as UserId)).map((name) => `tokens/${name}`);
    assert.deepEqual(sorted(documented.filter((name) => name.startsWith('tokens/'))), sorted(names));
  });
});

/** The placeholders in the documents, with values. */
const VALUES: Readonly<Record<string, string>> = {
  USERID: '1234',
  GRPID: '6123456789',
  COMMAND: 'setup',
  DATE: '2026-01-31',
  PORT: '8080',
  ADDRESS: '127.0.0.1',
  LIST: '1234:Anna,5678:Bo',
  FILE: 'answer.json',
  'csv/json/influx': 'csv',
};

/** Returns the commands of weighbridge in a document, in code and in blocks, with their optional parts. */
function commandsIn(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^ *```sh\n(.*?)^ *```$/gms)].flatMap(([, block = '']) => block.split('\n'));
  const pieces = [...blocks, ...codeIn(text.replaceAll(/^ *```.*?^ *```$/gms, ''))];
  // A `|` in the cell of a table is between two values.
  const parts = pieces.flatMap((piece) => piece.replaceAll('\\|', '/').split(/&&|[|;]|\$\(/));
  return parts.flatMap((part) => {
    const [, command] = /^ *(?:sudo |docker compose exec weighbridge )?weighbridge ([a-z].*)/.exec(part) ?? [];
    return command === undefined ? [] : [filled(command)];
  });
}

/** Replaces the placeholders by values, and drops the text after the command. */
function filled(command: string): string {
  const [own = ''] = command.split(/ [>#…]|\)/);
  const words = own.split(/[\s[\]]+/).filter((word) => word !== '' && word !== '--help');
  return words.map((word) => VALUES[word] ?? word).join(' ');
}

/** Reads a command line, and runs nothing. */
async function isUnderstood(command: string): Promise<boolean> {
  const files = { manifest: pathToFileURL(join(ROOT, 'package.json')) };
  const nothing = async () => {};
  return (await runCommand(command.split(' '), { run: nothing, runBeside: nothing, files })) === undefined;
}

describe('the commands', () => {
  const source = readFileSync(join(ROOT, 'src/cli/commands.ts'), 'utf8');
  const [program = '', service = ''] = source.split(/^function describeService/m);
  const namesIn = (text: string) => [...text.matchAll(/\.command\('([a-z]+)/g)].map(([, name = '']) => name);
  const names = [
    ...namesIn(program).filter((name) => name !== 'service'),
    ...namesIn(service).map((name) => `service ${name}`),
  ];
  const rows = cellsOf('README.md').filter((cell) => cell.startsWith('weighbridge '));

  it('are in one document, all of them', () => {
    const documented = rows.map((row) => /^weighbridge ((?:service )?[a-z]+)/.exec(row)?.[1] ?? row);
    assert.deepEqual(documented.toSorted(), names.toSorted());
    assert.deepEqual(
      placesOf((name) => /^weighbridge [a-z]/.test(name)),
      ['README.md'],
    );
  });

  it('have their options there, except the many of setup', () => {
    for (const chunk of source.split(/(?=\.command\(')/).slice(1)) {
      const name = /'([a-z]+)/.exec(chunk)?.[1] ?? '';
      const row = rows.find((each) => each.split(' ').includes(name)) ?? '';
      const options = [...chunk.matchAll(/[('](--[a-z-]+)[ ']/g)].map(([, option = '']) => option);
      if (name !== 'setup')
        assert.deepEqual(
          options.filter((option) => !row.includes(option)),
          [],
          name,
        );
    }
  });

  for (const path of USER_DOCUMENTS) {
    const commands = sorted(commandsIn(readDocument(path)));
    if (commands.length > 0)
      it(`in ${path} are valid`, async () => {
        for (const command of commands)
          assert.ok(names.includes(command) || (await isUnderstood(command)), `weighbridge ${command}`);
      });
  }

  it('are found in running text', () => {
    const text =
      'Run `sudo weighbridge users`.\n\n```sh\n  a $(weighbridge token 1234) && weighbridge login > x\n```\n`| not it |`';
    assert.deepEqual(commandsIn(text), ['token 1234', 'login', 'users']);
    assert.deepEqual(commandsIn('`weighbridge export [--since DATE] [--format csv\\|json\\|influx]`'), [
      'export --since 2026-01-31 --format csv',
    ]);
  });
});

describe('the messages', () => {
  it('name only shipped documents', async () => {
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const isShipped = (path: string) =>
      path === 'README.md' || (existsSync(join(ROOT, path)) && files.some((each: string) => path.startsWith(each)));
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const texts = sources.flatMap((name) => readFileSync(join(ROOT, 'src', name), 'utf8').split('\n'));
    const named = texts
      .filter((line) => !/^ *(\/?\*|\/\/)/.test(line))
      .flatMap((line) => line.match(/[\w./-]+\.md\b/g) ?? []);
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter((path) => !isShipped(path.replace(/^\.\.\//, 'deploy/'))),
      [],
    );
  });

  it('count the packages as package.json does', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    assert.match(readDocument('SECURITY.md'), new RegExp(`names ${Object.keys(dependencies).length} packages`));
  });
});

describe('the documents agree with the program', () => {
  const everywhere = [...DOCUMENTS, '.env.example'].map((path) => ({ path, text: readDocument(path) }));
  const pathsWith = (pattern: RegExp) => everywhere.filter(({ text }) => pattern.test(text)).map(({ path }) => path);

  it('on required settings', () => {
    const required = parseConfig({}).problems.map(({ name }) => name);
    const [, names = ''] = /^# Required: (.*?)\. /m.exec(readDocument('.env.example')) ?? [];
    assert.deepEqual(names.split(' and '), required);
    const rows = readDocument('docs/configuration.md').matchAll(/^\| `(\w+)` \| – \| required/gm);
    assert.deepEqual(
      [...rows].map(([, name]) => name),
      required,
    );
  });

  it('on the ports that Withings accepts', () => {
    const [, listed = ''] = /^- Port ([\d or]+), /m.exec(readDocument('docs/exposing.md')) ?? [];
    const accepted = [80, 443, 3000, 8080, 8443].filter(
      (port) => faultsOf(`https://me.example.org:${port}/x`).length === 0,
    );
    assert.deepEqual(listed.split(' or ').map(Number).toSorted(), accepted.toSorted());
  });

  it('on the purpose of the status port', () => {
    const block = readDocument('.env.example')
      .split('\n\n')
      .find((each) => each.includes('\n# STATUS_PORT='));
    assert.match(block ?? '', /Status page and \/healthz/);
  });

  it('on the system with a recent Node', () => {
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    assert.equal(engines.node, '>=20.19.0');
    const parts = everywhere.flatMap(({ text }) => text.split(/^#+ /m));
    const installing = parts.filter((part) => /apt install .*\bnodejs\b/.test(part));
    assert.ok(installing.length >= 2);
    for (const part of installing) assert.match(part, /Raspberry Pi OS 13|^\[/, part);
  });

  it('on the day of Withings+, in one form', () => {
    assert.deepEqual(pathsWith(/October 12|12 Oct(?!ober 2026)|Oct\. 12|2026-10-12/), []);
    assert.ok(pathsWith(/12 October 2026/).includes('README.md'));
    assert.match(readFileSync(join(ROOT, 'src/http/link-page.ts'), 'utf8'), /12 October 2026/);
  });

  it("on Home Assistant's word for its apps", () => assert.deepEqual(pathsWith(/(?<!\(formerly )\badd-ons?\b/i), []));

  it('on the folder of a command, in one place', () =>
    assert.deepEqual(pathsWith(/except in a folder with\s+a file `\.env`/), ['docs/service.md']));
});
