import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { Trouble } from '../../src/domain/trouble.ts';
import {
  attempt,
  type FileSystem,
  makeDirectory,
  nodeFiles,
  replaceFile,
  reserve,
  storageTrouble,
  sweepTemporaryFiles,
} from '../../src/storage/files.ts';
import { mountSmallDisk, NO_MOUNT } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { diskError, failOneByOne, failureOf, watchFiles } from '../support/watched-files.ts';

const OLD = 'old\n';
const LONGEST = `${'n'.repeat(1024)}\n`;

async function directoryWithFile() {
  const directory = await temporaryDirectory();
  const target = `${directory.path}/file`;
  await writeFile(target, OLD);
  return { directory, target, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

/** Returns the name of a file, without the random letters of a temporary one. */
function nameOf(path: string): string {
  return basename(path).replace(/\.[0-9a-f]{8}\.tmp$/, '.tmp');
}

function recordFiles(): { readonly files: FileSystem; readonly done: string[] } {
  const done: string[] = [];
  const files = watchFiles(async ({ name, path }, run) => {
    const result = await run();
    done.push(`${name.startsWith('write') ? 'write' : name} ${nameOf(path)}`);
    return result;
  });
  return { files, done };
}

describe('replacing a file', () => {
  test('puts the text in place, in a private file, and leaves nothing next to it', async () => {
    await using place = await directoryWithFile();
    await chmod(place.target, 0o644);
    for (const text of [LONGEST, 'short\n', '']) {
      await replaceFile(nodeFiles, place.target, text);
      assert.equal(await readFile(place.target, 'utf8'), text);
    }
    assert.equal((await stat(place.target)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(place.directory.path), ['file']);
  });

  test('creates a missing file', async () => {
    await using directory = await temporaryDirectory();
    await replaceFile(nodeFiles, `${directory.path}/fresh`, 'text\n');
    assert.equal(await readFile(`${directory.path}/fresh`, 'utf8'), 'text\n');
  });

  test('syncs the content before the rename, and the rename before it returns', async () => {
    await using place = await directoryWithFile();
    const { files, done } = recordFiles();
    await replaceFile(files, place.target, 'text\n');
    const renamed = done.indexOf('rename file.tmp');
    const steps = done.slice(done.lastIndexOf('write file.tmp'));
    const durable = steps.filter((step) => /^(write|sync|close|rename) /.test(step));
    const parent = basename(place.directory.path);
    const [, ...afterWrite] = durable;
    assert.deepEqual(afterWrite, [
      'sync file.tmp',
      'close file.tmp',
      'rename file.tmp',
      `sync ${parent}`,
      `close ${parent}`,
    ]);
    assert.equal(steps.indexOf('truncate file.tmp') < steps.indexOf('sync file.tmp'), true, 'the length is synced too');
    assert.equal(done.slice(0, renamed).includes('open file'), false, 'the old file is never opened');
  });

  test('syncs twice: the file and the directory', async () => {
    await using place = await directoryWithFile();
    const { files, done } = recordFiles();
    await replaceFile(files, place.target, 'text\n');
    const syncs = done.filter((step) => step.startsWith('sync '));
    assert.deepEqual(syncs, ['sync file.tmp', `sync ${basename(place.directory.path)}`]);
  });

  test('writes to the same directory, because a rename cannot leave a file system', async () => {
    await using place = await directoryWithFile();
    const renames: string[] = [];
    const files = watchFiles(async ({ name, args }, run) => {
      if (name === 'rename') renames.push(...args.map((path) => dirname(String(path))));
      return await run();
    });
    await replaceFile(files, place.target, 'text\n');
    assert.deepEqual(renames, [place.directory.path, place.directory.path]);
  });

  for (const code of ['ENOSPC', 'EIO']) {
    test(`leaves the old text or the new one, and nothing next to it, if any step fails with ${code}`, async () => {
      const steps: string[] = [];
      for await (const { files, failed } of failOneByOne(code)) {
        await using place = await directoryWithFile();
        const failure = await failureOf(replaceFile(files, place.target, 'text\n'));
        const expected = steps.includes('rename file.tmp') ? 'text\n' : OLD;
        const operation = failed();
        if (operation === undefined) continue;
        const step = `${operation.name} ${nameOf(operation.path)}`;
        steps.push(step);
        assert.ok(
          failure instanceof Trouble && failure.message.endsWith(`file (${code})`),
          `${step} fails, and nobody is told`,
        );
        assert.equal(await readFile(place.target, 'utf8'), expected, step);
        assert.deepEqual(await readdir(place.directory.path), ['file'], step);
      }
      assert.ok(steps.includes('rename file.tmp') && steps.includes('sync file.tmp'), `${steps}`);
    });
  }

  test('rejects a half written text on a full disk', async () => {
    await using place = await directoryWithFile();
    const files = watchFiles(async ({ name, handle, args }, run) => {
      // write(2) can write fewer bytes than requested, and reports the number.
      if (name === 'write' && typeof args[0] === 'string') return await handle?.write(args[0].slice(0, 2), 0);
      return await run();
    });
    await replaceFile(files, place.target, 'text\n').catch(() => undefined);
    assert.match(await readFile(place.target, 'utf8'), /^(old|text)\n$/);
    assert.deepEqual(await readdir(place.directory.path), ['file']);
  });
});

describe('a reservation', () => {
  test('changes nothing until its commit, and nothing at all without it', async () => {
    await using place = await directoryWithFile();
    {
      await using _room = await reserve(nodeFiles, place.target, `${place.target}.tmp`);
      assert.equal(await readFile(place.target, 'utf8'), OLD);
    }
    assert.equal(await readFile(place.target, 'utf8'), OLD);
    assert.deepEqual(await readdir(place.directory.path), ['file']);
  });

  test('reserves its room on the disk before it returns', async () => {
    await using place = await directoryWithFile();
    const { files, done } = recordFiles();
    await using _room = await reserve(files, place.target, `${place.target}.tmp`);
    assert.ok(done.indexOf('sync file.tmp') > done.lastIndexOf('write file.tmp'));
    const { size, blocks } = await stat(`${place.target}.tmp`);
    assert.ok(size >= LONGEST.length && blocks > 0);
  });

  for (const step of ['open', 'chmod', 'writeFile', 'sync']) {
    test(`fails if the disk is full at its ${step}, and removes its file`, async () => {
      await using place = await directoryWithFile();
      const files = watchFiles(async ({ name }, run) => {
        if (name === step) throw diskError('ENOSPC');
        return await run();
      });
      await assert.rejects(reserve(files, place.target, `${place.target}.tmp`), { code: 'disk_full' });
      assert.equal(await readFile(place.target, 'utf8'), OLD);
      assert.deepEqual(await readdir(place.directory.path), ['file']);
    });
  }
});

describe('a really full disk', () => {
  test('rejects the reservation, and the old file stays', async (t) => {
    await using disk = await mountSmallDisk();
    if (disk === undefined) return t.skip(NO_MOUNT);
    const target = `${disk.path}/file`;
    await writeFile(target, OLD);
    await disk.fill();
    await assert.rejects(reserve(nodeFiles, target, `${target}.tmp`), { code: 'disk_full' });
    assert.equal(await readFile(target, 'utf8'), OLD);
    assert.deepEqual((await readdir(disk.path)).sort(), ['ballast', 'file']);
    await disk.makeRoom();
    await replaceFile(nodeFiles, target, LONGEST);
    assert.equal(await readFile(target, 'utf8'), LONGEST);
  });

  test('accepts a text that was reserved before', async (t) => {
    await using disk = await mountSmallDisk();
    if (disk === undefined) return t.skip(NO_MOUNT);
    const target = `${disk.path}/file`;
    await writeFile(target, OLD);
    await using room = await reserve(nodeFiles, target, `${target}.tmp`);
    await disk.fill();
    await assert.rejects(writeFile(`${disk.path}/other`, 'x'), { code: 'ENOSPC' });
    await room.commit(LONGEST);
    assert.equal(await readFile(target, 'utf8'), LONGEST);
  });
});

describe('a directory to work in', () => {
  test('is created privately, with its parents', async () => {
    await using directory = await temporaryDirectory();
    await makeDirectory(`${directory.path}/a/b`);
    assert.equal((await stat(`${directory.path}/a/b`)).mode & 0o777, 0o700);
    await makeDirectory(`${directory.path}/a/b`);
  });

  test('is closed if a clone or umask left it writable for others, else unchanged', async () => {
    await using directory = await temporaryDirectory();
    for (const [before, after] of [
      [0o775, 0o700],
      [0o777, 0o700],
      [0o755, 0o755],
      [0o750, 0o750],
    ] as const) {
      await chmod(directory.path, before);
      await makeDirectory(directory.path);
      assert.equal((await stat(directory.path)).mode & 0o777, after);
    }
  });

  test('is a trouble that names the path if it is a file', async () => {
    await using place = await directoryWithFile();
    await assert.rejects(
      makeDirectory(place.target),
      (error) => error instanceof Trouble && error.message.includes(place.target),
    );
  });
});

describe('a failure of the disk', () => {
  test('is reported with a fix, and retried', async () => {
    const codes = {
      ENOSPC: 'disk_full',
      EDQUOT: 'disk_full',
      EROFS: 'read_only',
      EACCES: 'no_permission',
      EMFILE: 'too_many_open',
      ENFILE: 'too_many_open',
      EIO: 'storage_failed',
    };
    for (const [code, name] of Object.entries(codes)) {
      const trouble = await failureOf(attempt('write x', () => Promise.reject(diskError(code))));
      assert.ok(trouble instanceof Trouble && trouble.hint !== undefined);
      assert.deepEqual([trouble.code, trouble.recovery], [name, 'retry']);
      assert.match(trouble.message, new RegExp(`write x.*${code}`));
    }
  });

  test('is distinct from a programming error', async () => {
    const mistake = new TypeError('undefined is not a function');
    assert.equal(await failureOf(attempt('write x', () => Promise.reject(mistake))), mistake);
  });
});

describe('a failed write is reported with the command that helps', () => {
  const failure = (code: string, facts: object) => {
    const trouble = storageTrouble('write /data/tokens/1234', Object.assign(new Error(code), { code, ...facts }));
    assert.ok(trouble instanceof Trouble);
    return trouble.hint ?? '';
  };

  test('a read-only file system', () => {
    const hint = failure('EROFS', { path: '/data/tokens/.1234.tmp', syscall: 'open' });
    assert.match(
      hint,
      /\. Then make it writable: sudo mount -o remount,rw "\$\(findmnt -no TARGET -T \/data\/tokens\)"/,
    );
  });

  test('a file of another user: the directory above it, or the directory itself', () => {
    const { username } = userInfo();
    const file = failure('EACCES', { path: '/data/tokens/1234', syscall: 'open' });
    const directory = failure('EACCES', { path: '/data/tokens', syscall: 'scandir' });
    for (const hint of [file, directory]) assert.ok(hint.endsWith(`: sudo chown -R ${username} /data/tokens`), hint);
  });

  test('a directory that weighbridge did not create keeps its owner', () => {
    const folder = resolve('.');
    for (const facts of [
      { path: `${folder}/.env.1a2b.tmp`, syscall: 'open' },
      { path: '/.env', syscall: 'open' },
      { path: '/var/lib/scale', syscall: 'mkdir' },
    ])
      assert.equal(failure('EACCES', facts), 'Use a folder of your own: mkdir ~/weighbridge && cd ~/weighbridge');
  });

  test('a path with special characters is quoted for the shell', () => {
    const hint = failure('EPERM', { path: "/my data/it's/1234", syscall: 'open' });
    assert.ok(hint.endsWith(`'/my data/it'\\''s'`), hint);
  });

  test('a relative path is made absolute, because the command may run elsewhere', () => {
    assert.ok(failure('EACCES', { path: './tokens/1234', syscall: 'open' }).endsWith(resolve('tokens')));
  });
});

describe('only a small regular file is read', () => {
  test('and not a gigabyte', async () => {
    await using place = await directoryWithFile();
    await truncate(place.target, 2 ** 30);
    await assert.rejects(nodeFiles.readFile(place.target), { code: 'too_large' });
  });

  for (const flags of ['r', 'r+', 'w', 'a', 'a+'] as const) {
    test(`a FIFO is not opened with ${flags}`, async () => {
      await using directory = await temporaryDirectory();
      execFileSync('mkfifo', [`${directory.path}/fifo`]);
      await assert.rejects(nodeFiles.open(`${directory.path}/fifo`, flags), { code: 'not_a_file' });
    });
  }
});

test('files of a killed process are removed, and failures stop no start', async () => {
  await using directory = await temporaryDirectory();
  await writeFile(`${directory.path}/a.12345678.tmp`, 'half');
  await mkdir(`${directory.path}/b.tmp/c`, { recursive: true });
  await writeFile(`${directory.path}/d`, 'whole');
  await sweepTemporaryFiles(directory.path);
  assert.deepEqual((await readdir(directory.path)).sort(), ['b.tmp', 'd']);
});
