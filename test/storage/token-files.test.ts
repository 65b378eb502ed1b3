import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, test } from 'node:test';
import type { TokenLock } from '../../src/domain/token.ts';
import { Trouble } from '../../src/domain/trouble.ts';
import { lockFile } from '../../src/storage/lock.ts';
import { createAccessFiles, createTokenFiles, readToken, sweepTokenFiles } from '../../src/storage/token-files.ts';
import { createMemoryTokens } from '../support/memory-tokens.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { ANNA, accessToken, BO, put, testTokenStore, token } from '../support/token-store.contract.ts';
import { diskError, failOneByOne, watchFiles } from '../support/watched-files.ts';

testTokenStore('token files', async () => {
  const directory = await temporaryDirectory();
  const store = createTokenFiles(directory.path);
  return { store, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
});
testTokenStore('tokens in memory', async () => ({
  store: createMemoryTokens(),
  [Symbol.asyncDispose]: async () => undefined,
}));

const BODY = { userid: 1234, access_token: 'acc', refresh_token: 'xxyyzz', expires_in: 10_800 };
const ANSWER = { status: 0, body: BODY };
const REFUSED = { status: 503, body: {}, error: 'Invalid Params: invalid refresh_token' };
const line = (value: unknown) => JSON.stringify(value);
const pretty = (value: unknown) => JSON.stringify(value, null, 2);

describe('a handmade token file', () => {
  const good: Record<string, string> = {
    'the token and a newline': 'xxyyzz\n',
    'the token alone': 'xxyyzz',
    'a token with every character of RFC 6750': 'Az09-._~+/==\n',
    'a token after older ones': 'aaa\nbbb\nxxyyzz\n',
    'line ends of Windows': 'aaa\r\nxxyyzz\r\n',
    'a byte order mark': '\uFEFFxxyyzz\n',
    'a byte order mark and JSON': `\uFEFF${line(ANSWER)}\r\n`,
    'blanks around it': '\n  xxyyzz \t \n\n  \n',
    'the answer of the token call': line(ANSWER),
    'just the body of it': `${line(BODY)}\n`,
    'the answer, pretty-printed': pretty(ANSWER),
    'the body, pretty-printed': `${pretty(BODY)}\n`,
    'the answer, pretty-printed with the line ends of Windows': `${pretty(ANSWER)}\n`.replaceAll('\n', '\r\n'),
    'the answer appended to a token': `aaa\n${line(ANSWER)}\n`,
    'the pretty-printed answer appended to a token': `aaa\n${pretty(ANSWER)}\n`,
    'an answer appended to an answer': `${line({ ...BODY, refresh_token: 'aaa' })}\n${line(ANSWER)}\n`,
    'a token appended to an answer': `${pretty({ ...BODY, refresh_token: 'aaa' })}\nxxyyzz\n`,
  };
  for (const [what, text] of Object.entries(good)) {
    test(`is valid as ${what}`, () => {
      assert.equal(readToken(text), what.startsWith('a token with') ? 'Az09-._~+/==' : 'xxyyzz');
    });
  }

  const bad: Record<string, string> = {
    nothing: '',
    'blank lines': ' \n\n',
    'the zeros of a power cut': '\0'.repeat(41),
    'a refusal': line(REFUSED),
    'a refusal appended to a token': `xxyyzz\n${line(REFUSED)}\n`,
    'a pretty-printed refusal appended to a token': `xxyyzz\n${pretty(REFUSED)}\n`,
    'a refusal appended to an answer': `${line(ANSWER)}\n${line(REFUSED)}`,
    'half an answer': line(ANSWER).slice(0, -3),
    'an HTML page': '<html>\n<p>Bad gateway</p>\n</html>\n',
    'a sentence': 'put your token here\n',
    'an answer whose token is a number': line({ refresh_token: 12 }),
    'a token that is far too long': 'x'.repeat(1025),
  };
  for (const [what, text] of Object.entries(bad)) {
    test(`is invalid as ${what}`, () => assert.equal(readToken(text), undefined));
  }

  test('is read from the path of the store, with appended lines', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(`${directory.path}/1234`, 'aaa\n');
    await appendFile(`${directory.path}/1234`, 'xxyyzz\n');
    assert.equal(await createTokenFiles(directory.path).load(ANNA), 'xxyyzz');
  });

  test('that is invalid stays, and the trouble names the file and the fix, but not the content', async () => {
    await using directory = await temporaryDirectory();
    for (const text of ['', 'my secret token\n', line(REFUSED)]) {
      await writeFile(`${directory.path}/1234`, text);
      await assert.rejects(createTokenFiles(directory.path).load(ANNA), (error) => {
        assert.ok(error instanceof Trouble);
        assert.deepEqual([error.code, error.recovery], ['token_unreadable', 'login']);
        assert.match(error.message, /\/1234 /);
        assert.ok(error.hint);
        assert.doesNotMatch(`${error.message}${error.hint}`, /secret|Invalid/);
        return true;
      });
      assert.equal(await readFile(`${directory.path}/1234`, 'utf8'), text);
    }
  });
});

describe('a token file of weighbridge', () => {
  test('is the token and a newline in a private file, whatever the file was before', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/1234`;
    await writeFile(path, `${pretty(ANSWER)}\n`);
    await chmod(path, 0o644);
    await writeFile(`${directory.path}/.1234.tmp`, 'left by a killed process');
    await chmod(`${directory.path}/.1234.tmp`, 0o666);
    await put(createTokenFiles(directory.path), ANNA, 'fresh');
    assert.equal(await readFile(path, 'utf8'), 'fresh\n');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(directory.path)).sort(), ['.1234.lock', '1234']);
  });

  test('is created next to its path, and is private even then', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using lock = await store.lock(ANNA);
    {
      await using _place = await lock.reserve(undefined);
      const names = (await readdir(directory.path)).filter((name) => !name.endsWith('.lock'));
      assert.equal(names.length, 1);
      assert.equal((await stat(`${directory.path}/${names[0]}`)).mode & 0o777, 0o600);
      assert.deepEqual(await store.list(), [], 'and no file counts as a login');
    }
    assert.deepEqual(await readdir(directory.path), ['.1234.lock']);
  });

  test('a full disk is reported before a write', async () => {
    await using directory = await temporaryDirectory();
    await put(createTokenFiles(directory.path), ANNA, 'old');
    const full = watchFiles(async ({ name }, run) => {
      if (name.startsWith('write')) throw diskError('ENOSPC');
      return await run();
    });
    const store = createTokenFiles(directory.path, full);
    await using lock = await store.lock(ANNA);
    await assert.rejects(lock.reserve(token('old')), { code: 'disk_full', recovery: 'retry' });
    assert.equal(await store.load(ANNA), 'old');
  });
});

test('only file names of digits are users', async () => {
  await using directory = await temporaryDirectory();
  for (const name of ['1234', '.1234.lock', '.1234.tmp', '1234~', '1234.bak', ' 5', '-5', 'README', '٣', '5678']) {
    await writeFile(`${directory.path}/${name}`, 'xxyyzz\n');
  }
  assert.deepEqual((await createTokenFiles(directory.path).list()).sort(), [ANNA, BO]);
});

test('a missing directory is a trouble that names it, not a bare error', async () => {
  await using directory = await temporaryDirectory();
  const store = createTokenFiles(`${directory.path}/gone`);
  await assert.rejects(store.list(), (error) => error instanceof Trouble && error.message.includes('/gone'));
});

/** Records an attempt without an answer. */
async function send(lock: TokenLock): Promise<void> {
  await using place = await lock.reserve(token('xxyyzz'));
  await place.sending();
}

test('a lock file with other content still remembers the attempt', async () => {
  await using directory = await temporaryDirectory();
  const store = createTokenFiles(directory.path);
  await writeFile(`${directory.path}/.1234.lock`, 'pid 1, from before the power cut, and then some');
  await using lock = await store.lock(ANNA);
  await send(lock);
  await using place = await lock.reserve(token('xxyyzz'));
  assert.notEqual(place.triedMsAgo, undefined);
});

describe('the last attempt with a token', () => {
  test('is visible to another process, with its age', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using lock = await store.lock(ANNA);
    await send(lock);
    const before = Date.now();
    await utimes(`${directory.path}/.1234.lock`, new Date(before), new Date(before - 5_000));
    await using place = await lock.reserve(token('xxyyzz'));
    const { triedMsAgo } = place;
    // The file system stores times with fractions of a millisecond.
    assert.ok(triedMsAgo !== undefined && triedMsAgo >= 4_999 && triedMsAgo <= Date.now() - before + 5_001);
  });

  test('in the future of a wrong clock is ignored', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using lock = await store.lock(ANNA);
    await send(lock);
    await utimes(`${directory.path}/.1234.lock`, new Date('2099-01-01'), new Date('2099-01-01'));
    await using place = await lock.reserve(token('xxyyzz'));
    assert.equal(place.triedMsAgo, undefined);
  });

  test('cannot be read as a token from its file', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using lock = await store.lock(ANNA);
    await using _place = await lock.reserve(token('xxyyzz'));
    assert.doesNotMatch(await readFile(`${directory.path}/.1234.lock`, 'utf8'), /xxyyzz/);
  });
});

describe('sweeping', () => {
  test('removes incomplete files of killed processes, and nothing else', async () => {
    await using directory = await temporaryDirectory();
    for (const name of ['1234', '.1234.tmp', '.99.tmp', '.env.tmp', 'notes.tmp', '.1234.lock']) {
      await writeFile(`${directory.path}/${name}`, 'xxyyzz\n');
    }
    await mkdir(`${directory.path}/5678`);
    await sweepTokenFiles(directory.path);
    const left = (await readdir(directory.path)).filter((name) => !name.endsWith('.lock')).sort();
    assert.deepEqual(left, ['.env.tmp', '1234', '5678', 'notes.tmp']);
    assert.equal(await readFile(`${directory.path}/1234`, 'utf8'), 'xxyyzz\n');
  });

  test('leaves a current rotation', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await put(store, ANNA, 'old');
    let sweeping: Promise<void>;
    {
      await using lock = await store.lock(ANNA);
      await using place = await lock.reserve(token('old'));
      sweeping = sweepTokenFiles(directory.path);
      await (await lockFile(`${directory.path}/.time-passes.lock`))[Symbol.asyncDispose]();
      await place.save(token('fresh'));
    }
    await sweeping;
    assert.equal(await store.load(ANNA), 'fresh');
  });
});

describe('a rotation whose token file changes while Withings answers', () => {
  /** A rotation that has sent its token, and waits. */
  async function rotate() {
    const directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await put(store, ANNA, 'sent');
    const lock = await store.lock(ANNA);
    const slot = await lock.reserve(token('sent'));
    return {
      path: `${directory.path}/${ANNA}`,
      lockPath: `${directory.path}/.${ANNA}.lock`,
      store,
      slot,
      /** Returns the spare that the next rotation finds. */
      async spare() {
        await using slotOfNext = await lock.reserve(token('by-hand'));
        return slotOfNext.spare;
      },
      async [Symbol.asyncDispose]() {
        await slot[Symbol.asyncDispose]();
        await lock[Symbol.asyncDispose]();
        await directory[Symbol.asyncDispose]();
      },
    };
  }

  for (const [what, change] of [
    ['by hand', (path: string) => writeFile(path, 'by-hand\n')],
    ['by a line that is appended', (path: string) => appendFile(path, 'by-hand\n')],
    ['to one that cannot be read yet', (path: string) => writeFile(path, '')],
  ] as const) {
    test(`${what} leaves the file, and stores the answer next to it`, async () => {
      await using rotation = await rotate();
      await change(rotation.path);
      const before = await readFile(rotation.path, 'utf8');
      await assert.rejects(rotation.slot.save(token('answered')), { code: 'login_changed', recovery: 'retry' });
      assert.equal(await readFile(rotation.path, 'utf8'), before);
      assert.equal(await rotation.spare(), 'answered');
      assert.equal((await stat(`${dirname(rotation.path)}/.1234.spare`)).mode & 0o777, 0o600);
    });
  }

  test('and a removed one stays removed with nothing next to it: the person was unlinked by hand', async () => {
    await using rotation = await rotate();
    await rm(rotation.path);
    await assert.rejects(rotation.slot.save(token('answered')), { code: 'login_changed' });
    assert.equal(await rotation.store.load(ANNA), undefined);
    assert.equal(await rotation.spare(), undefined);
  });

  test('just before the new token replaces it leaves the change as well', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/${ANNA}`;
    let isSaving = false;
    const files = watchFiles(async ({ name, path: at }, run) => {
      const result = await run();
      if (isSaving && name === 'close' && at.endsWith('.tmp')) {
        isSaving = false;
        await writeFile(path, 'by-hand\n');
      }
      return result;
    });
    const store = createTokenFiles(directory.path, files);
    await put(store, ANNA, 'sent');
    await using lock = await store.lock(ANNA);
    await using slot = await lock.reserve(token('sent'));
    isSaving = true;
    await assert.rejects(slot.save(token('answered')), { code: 'login_changed' });
    assert.equal(await readFile(path, 'utf8'), 'by-hand\n');
  });

  test('by another process after the lock file was deleted waits for that process, whose token stays', async () => {
    await using rotation = await rotate();
    await rm(rotation.lockPath);
    const other = await createTokenFiles(dirname(rotation.path)).lock(ANNA);
    await using slot = await other.reserve(token('sent'));
    let isSaved = false;
    const saving = rotation.slot.save(token('slow')).finally(() => {
      isSaved = true;
    });
    saving.catch(() => undefined);
    await (await lockFile(`${dirname(rotation.path)}/.time-passes.lock`))[Symbol.asyncDispose]();
    assert.equal(isSaved, false);
    await slot.save(token('quick'));
    await other[Symbol.asyncDispose]();
    await assert.rejects(saving, { code: 'login_changed' });
    assert.equal(await rotation.store.load(ANNA), 'quick');
    assert.equal(await rotation.spare(), 'slow');
  });

  test('by no process, despite a deleted lock file, stores the answer', async () => {
    await using rotation = await rotate();
    await rm(rotation.lockPath);
    await rotation.slot.save(token('answered'));
    assert.equal(await rotation.store.load(ANNA), 'answered');
  });

  test('and a spare is removed by the next stored answer or consent', async () => {
    for (const current of [token('by-hand'), undefined]) {
      await using rotation = await rotate();
      await writeFile(rotation.path, 'by-hand\n');
      await assert.rejects(rotation.slot.save(token('answered')));
      await rm(rotation.lockPath);
      await using lock = await rotation.store.lock(ANNA);
      await using slot = await lock.reserve(current);
      await slot.save(token('next'));
      assert.equal(await rotation.spare(), undefined);
    }
  });
});

describe('in place of a token file', () => {
  test('a FIFO is reported by name without a wait', async () => {
    await using directory = await temporaryDirectory();
    assert.equal(spawnSync('mkfifo', [`${directory.path}/${ANNA}`]).status, 0);
    const trouble = await createTokenFiles(directory.path)
      .load(ANNA)
      .catch((error) => error);
    assert.equal(trouble.code, 'not_a_file');
    assert.match(trouble.message, /1234 is a FIFO/);
  });

  test('a link to a device is reported by name', async () => {
    await using directory = await temporaryDirectory();
    await symlink('/dev/zero', `${directory.path}/${ANNA}`);
    await assert.rejects(createTokenFiles(directory.path).load(ANNA), { code: 'not_a_file' });
  });

  test('a gigabyte is not read', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(`${directory.path}/${ANNA}`, '');
    await truncate(`${directory.path}/${ANNA}`, 2 ** 30);
    await assert.rejects(createTokenFiles(directory.path).load(ANNA), { code: 'token_unreadable', recovery: 'login' });
  });
});

test('no file stays open after a failure', async () => {
  await using directory = await temporaryDirectory();
  /** Returns the open descriptors of files below the directory. */
  const openFiles = async () => {
    const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    return (await Promise.all(links)).filter((path) => path.startsWith(directory.path));
  };
  for await (const { files } of failOneByOne('EIO')) {
    const store = createTokenFiles(directory.path, files);
    await put(createTokenFiles(directory.path), ANNA, 'sent');
    const accesses = createAccessFiles(directory.path, files);
    const rotate = async () => {
      await using lock = await store.lock(ANNA);
      await using slot = await lock.reserve(token('sent'));
      await slot.sending();
      await slot.save(token('answered'));
      const now = new Date();
      const access = { accessToken: accessToken('acc'), issuedAt: now, expiresAt: now, scope: undefined };
      await accesses.save(ANNA, token('answered'), access);
    };
    await rotate().catch(() => undefined);
    assert.deepEqual(await openFiles(), []);
  }
});
