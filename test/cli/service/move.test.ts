import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { planMoves } from '../../../src/cli/service/move.ts';
import { lockFile } from '../../../src/storage/lock.ts';
import { servicePaths } from '../../../src/systemd/paths.ts';
import { childScript } from '../../support/program.ts';
import { createShell } from '../../support/shell.ts';
import { sweep } from '../../support/sweep.ts';
import { failureOf } from '../../support/watched-files.ts';

const CHILD = childScript('move-child');
/** The account `nobody` owns no other files. */
const STRANGER = 65_534;
const FILES = {
  'tokens/1234': 'anna\n',
  'tokens/5678': 'bo\n',
  'data/measures.jsonl': '{}\n',
  'data/cursors/1234': '1\n',
};

/** Creates a set-up folder and a machine for the service, on one file system or on two. */
async function openMachine({ isFar = false } = {}) {
  const near = await mkdtemp('/tmp/weighbridge-test-');
  const far = isFar ? await mkdtemp('/dev/shm/weighbridge-test-') : near;
  const folder = join(near, 'folder');
  const root = join(far, 'root');
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text, { mode: 0o600 });
  }
  const paths = servicePaths(root);
  const run = async () => ({ code: 0, stdout: '', stderr: '' });
  const machine = { paths, run, folder, root: process.getuid?.() ?? 0 };
  return {
    folder,
    root,
    far,
    paths,
    state: paths.state,
    async move(to = paths) {
      const { steps, notes } = await planMoves(createShell({ readDotenv: () => ({}) }), { ...machine, paths: to });
      for (const step of steps) await step.run();
      return notes;
    },
    async [Symbol.asyncDispose]() {
      for (const path of new Set([near, far])) await rm(path, { recursive: true });
    },
  };
}
type OpenMachine = Awaited<ReturnType<typeof openMachine>>;

async function filesBelow(path: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((each) => each.isFile() && !each.name.endsWith('.lock'));
  const found = files.map(async ({ parentPath, name }): Promise<[string, string]> => {
    const at = join(parentPath, name);
    return [at.slice(path.length + 1), await readFile(at, 'utf8')];
  });
  return Object.fromEntries(await Promise.all(found));
}

async function assertMoved({ folder, state }: OpenMachine, when = '') {
  assert.deepEqual(await filesBelow(state), FILES, when);
  assert.deepEqual(await filesBelow(folder), {}, when);
  for (const path of Object.keys(FILES)) assert.equal((await stat(join(state, path))).mode & 0o777, 0o600, when);
}

for (const isFar of [false, true]) {
  describe(isFar ? 'a move to another file system' : 'a move', () => {
    test('leaves nothing behind, and every file unchanged', async () => {
      await using machine = await openMachine({ isFar });
      await machine.move();
      await assertMoved(machine);
    });

    test('continues at the next call after a kill at any file operation, and no login is used twice', async () => {
      for (const index of sweep(8)) {
        await using machine = await openMachine({ isFar });
        const { folder, root, state } = machine;
        const { signal } = spawnSync(process.execPath, [CHILD, root, folder, `${index}`], { stdio: 'inherit' });
        const when = `before operation ${index}`;
        for (const userId of ['1234', '5678']) {
          const count = [folder, state].filter((path) => existsSync(`${path}/tokens/${userId}`)).length;
          if (count === 0) await readFile(`${state}/tokens/${userId}.copy`, 'utf8');
          assert.ok(count < 2, `two copies of ${userId} ${when}`);
        }
        await machine.move();
        await assertMoved(machine, when);
        if (signal === null) {
          assert.ok(index > 20, `only ${index} operations were counted`);
          break;
        }
      }
    });
  });
}

test('a move waits for the process that rotates a login', async () => {
  await using machine = await openMachine();
  const lock = await lockFile(`${machine.folder}/tokens/.1234.lock`);
  const moving = machine.move();
  await (await lockFile(`${machine.far}/time-passes`))[Symbol.asyncDispose]();
  assert.equal(await readFile(`${machine.folder}/tokens/1234`, 'utf8'), 'anna\n');
  await writeFile(`${machine.folder}/tokens/1234`, 'rotated\n');
  await lock[Symbol.asyncDispose]();
  await moving;
  assert.equal(await readFile(`${machine.state}/tokens/1234`, 'utf8'), 'rotated\n');
});

test('the files of the service stay', async () => {
  await using machine = await openMachine();
  await mkdir(`${machine.state}/tokens`, { recursive: true });
  await writeFile(`${machine.state}/tokens/1234`, 'newer\n');
  assert.match((await machine.move()).join(), /already has logins/);
  assert.equal(await readFile(`${machine.state}/tokens/1234`, 'utf8'), 'newer\n');
  assert.equal(await readFile(`${machine.folder}/tokens/1234`, 'utf8'), 'anna\n');
});

describe('an interrupted move', () => {
  /** Interrupts the move after one login. */
  const cutOff = async ({ paths, folder, state }: OpenMachine) => {
    await mkdir(paths.settings, { recursive: true });
    await writeFile(`${paths.settings}/.moving-tokens`, `${folder}/tokens`);
    await mkdir(`${state}/tokens`, { recursive: true });
    await rename(`${folder}/tokens/1234`, `${state}/tokens/1234`);
  };

  test('is not mixed with another folder', async () => {
    await using machine = await openMachine();
    await using other = await openMachine();
    await cutOff(machine);
    const notes = await other.move(machine.paths);
    assert.match(notes.join(), new RegExp(`a move of the logins in ${machine.folder}/tokens was interrupted`));
    assert.equal(await readFile(`${other.folder}/tokens/5678`, 'utf8'), 'bo\n');
    await rm(`${machine.state}/data`, { recursive: true });
    await machine.move();
    await assertMoved(machine);
  });

  test('replaces no file that the service wrote meanwhile', async () => {
    await using machine = await openMachine();
    await cutOff(machine);
    await writeFile(`${machine.state}/tokens/5678`, 'newer\n');
    assert.match(String(await failureOf(machine.move())), /Remove the older one/);
    assert.equal(await readFile(`${machine.state}/tokens/5678`, 'utf8'), 'newer\n');
    assert.equal(await readFile(`${machine.folder}/tokens/5678`, 'utf8'), 'bo\n');
  });

  test('ends if the folder is missing', async () => {
    await using machine = await openMachine();
    await cutOff(machine);
    await rm(machine.folder, { recursive: true });
    await machine.move();
    assert.deepEqual(await filesBelow(machine.state), { 'tokens/1234': 'anna\n' });
    assert.deepEqual(await readdir(machine.paths.settings), []);
  });
});

test('a link in place of the directory of the service is rejected', async () => {
  await using machine = await openMachine();
  await mkdir(`${machine.far}/elsewhere`);
  await mkdir(machine.state, { recursive: true });
  await symlink(`${machine.far}/elsewhere`, `${machine.state}/tokens`);
  assert.match(String(await failureOf(machine.move())), /is a link\. It must be a directory/);
  assert.deepEqual(await readdir(`${machine.far}/elsewhere`), []);
});

test('a link among the measurements is not followed to another file system', async () => {
  await using machine = await openMachine({ isFar: true });
  await symlink('/etc/hostname', `${machine.folder}/data/linked`);
  assert.match(String(await failureOf(machine.move())), /linked is a link/);
  assert.equal((await filesBelow(machine.state))['data/linked'], undefined);
});

/** Runs another user who replaces the directory with a link and back as fast as possible. */
function swap(state: string, target: string): ChildProcess {
  const script = `
    const fs = require('node:fs');
    process.chdir(${JSON.stringify(state)});
    process.stdout.write('swapping');
    for (;;) {
      for (const [call, ...args] of [
        [fs.renameSync, 'tokens', 'aside'], [fs.symlinkSync, ${JSON.stringify(target)}, 'tokens'],
        [fs.unlinkSync, 'tokens'], [fs.renameSync, 'aside', 'tokens'], [fs.mkdirSync, 'tokens'],
      ]) try { call(...args); } catch {}
    }`;
  return spawn(process.execPath, ['-e', script], {
    uid: STRANGER,
    gid: STRANGER,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('links that are swapped in as fast as possible get no access to files of root', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('not root');
  for (let round = 0; round < Number(process.env['TORTURE_ROUNDS'] ?? 10); round += 1) {
    await using machine = await openMachine();
    const { far, state } = machine;
    const secrets = join(far, 'of-root');
    await mkdir(secrets, { mode: 0o755 });
    await writeFile(join(secrets, 'shadow'), 'secret', { mode: 0o600 });
    await mkdir(`${state}/tokens`, { recursive: true });
    for (const path of [far, join(far, 'root'), join(far, 'root/var'), join(far, 'root/var/lib')])
      await chmod(path, 0o755);
    for (const path of [state, `${state}/tokens`]) await chown(path, STRANGER, STRANGER);
    const swapper = swap(state, secrets);
    await once(swapper.stdout ?? assert.fail(), 'data');
    // The move can fail at a link, and then runs again.
    await failureOf(machine.move());
    swapper.kill('SIGKILL');
    await once(swapper, 'close');
    for (const path of [secrets, join(secrets, 'shadow')]) {
      const { uid, mode } = await stat(path);
      assert.deepEqual([uid, mode & 0o777], [0, path === secrets ? 0o755 : 0o600]);
    }
    assert.deepEqual(await readdir(secrets), ['shadow']);
    const logins = { ...(await filesBelow(`${state}/tokens`)), ...(await filesBelow(`${machine.folder}/tokens`)) };
    assert.deepEqual([logins['1234'], logins['5678']], ['anna\n', 'bo\n']);
  }
});
