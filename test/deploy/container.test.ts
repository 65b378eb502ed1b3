import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { SETTINGS } from '../../src/config/settings.ts';
import { installGlobally, pack, ROOT } from '../support/packed.ts';
import { runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** These tests work without a build. `npm run container-test` builds the image and runs it. */
const CONTAINER = fileURLToPath(new URL('../../../deploy/container/', import.meta.url));
const read = (name: string) => readFileSync(join(CONTAINER, name), 'utf8');
const DOCUMENT = readFileSync(join(ROOT, 'docs/service.md'), 'utf8');
const run = promisify(execFile);

/** Returns the values of an instruction in order. A backslash at the end of a line continues it. */
function instructions(name: string): readonly string[] {
  const lines = read('Containerfile').replaceAll('\\\n', '').split('\n');
  return lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
}

const { services } = parse(read('compose.yaml'));
const service = services.weighbridge;
const SECTION = /^## In a container\n(.*?)^## /ms.exec(DOCUMENT)?.[1] ?? '';

describe('the container', () => {
  let packed: Awaited<ReturnType<typeof temporaryDirectory>>;
  let tarball: string;

  before(async () => {
    packed = await temporaryDirectory();
    tarball = await pack(ROOT, packed.path);
  });
  after(() => packed[Symbol.asyncDispose]());

  test('is unpacked by the command in service.md, with all files that the build needs next to the tarball', async () => {
    await using place = await temporaryDirectory();
    await cp(tarball, join(place.path, 'weighbridge.tgz'));
    const command = /^tar .*/m.exec(SECTION)?.[0] ?? '';
    await run('sh', ['-c', command], { cwd: place.path });
    const found = await readdir(place.path);
    assert.deepEqual(
      found.toSorted(),
      ['.dockerignore', 'Containerfile', 'compose.yaml', 'weighbridge.tgz'].toSorted(),
    );
  });

  test('builds with the tarball alone, without the logins in the folder', () => {
    const lines = read('.dockerignore').split('\n');
    assert.deepEqual(
      lines.filter((line) => line !== '' && !line.startsWith('#')),
      ['*', '!weighbridge.tgz'],
    );
  });

  test('contains the same program at the same path as npm installs', async () => {
    await using place = await temporaryDirectory();
    await cp(tarball, join(place.path, 'weighbridge.tgz'));
    const { program } = await installGlobally(tarball, join(place.path, 'installed'));
    const [unpack = ''] = instructions('RUN').filter((line) => line.includes('tar '));
    const script = unpack.replaceAll('/weighbridge', `${place.path}/unpacked`);
    await run('sh', ['-c', script], { cwd: place.path });
    const [, path = ''] = /\.\.\/lib\/node_modules\/weighbridge\/(\S+) \/usr\/local\/bin\/weighbridge/.exec(
      read('Containerfile'),
    ) as RegExpExecArray;
    const versionOf = async (script: string) => await runProgram(['--version'], { cwd: place.path, script });
    const unpacked = await versionOf(join(place.path, 'unpacked', path));
    assert.equal(unpacked.code, 0);
    assert.deepEqual(unpacked, await versionOf(program));
    await assert.doesNotReject(run('test', ['-x', join(place.path, 'unpacked', path)]));
  });

  test('runs as one user with a fixed number', () => {
    assert.deepEqual(instructions('USER'), ['1000:1000']);
    assert.equal(service.user, '1000:1000');
    assert.match(read('Containerfile'), /useradd --uid 1000 --gid 1000 /);
    assert.match(SECTION, /user 1000/);
  });

  test('mounts a folder rather than a file, at the path that the image uses', () => {
    const [volume, ...more] = service.volumes;
    assert.deepEqual(more, []);
    assert.deepEqual([volume.type, volume.target], ['bind', instructions('WORKDIR').at(-1)]);
    assert.equal(volume.bind.create_host_path, false, 'Docker would make it for root');
  });

  test('is reachable from this computer only', () => {
    for (const port of service.ports) assert.match(port, /^127\.0\.0\.1:(300[01]):\1$/);
  });

  test('has no secret in its environment, and sets only existing settings', () => {
    const image = instructions('ENV').flatMap((line) => line.split(' ').map((each) => each.split('=')[0] ?? ''));
    const names = [...image, ...Object.keys(service.environment)].filter((name) => !['NODE_ENV', 'TZ'].includes(name));
    assert.deepEqual(names.toSorted(), ['DATA_DIR', 'HOST', 'PORT', 'TOKENS_DIR', 'TRUST_PROXY']);
    for (const name of names) assert.ok(name in SETTINGS, name);
    assert.equal(service.env_file, undefined);
  });

  test('has no privileges, and can write only to its data', () => {
    assert.deepEqual(
      [service.read_only, service.cap_drop, service.security_opt, service.tmpfs, service.privileged],
      [true, ['ALL'], ['no-new-privileges:true'], ['/tmp'], undefined],
    );
  });

  test('has the health check and the stop signal of the program', () => {
    assert.match(instructions('HEALTHCHECK').join(), /CMD \["weighbridge", "healthz"\]$/);
    assert.deepEqual(instructions('ENTRYPOINT'), ['["tini", "--", "weighbridge"]']);
    assert.deepEqual(instructions('CMD'), ['["serve"]']);
    assert.match(read('Containerfile'), /apt-get install .* util-linux/);
  });
});
