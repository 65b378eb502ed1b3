import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { TokenStore } from '../../src/domain/token.ts';
import { Trouble } from '../../src/domain/trouble.ts';
import { lockFile } from '../../src/storage/lock.ts';
import { createTokenFiles, readToken, sweepTokenFiles } from '../../src/storage/token-files.ts';
import { createMemoryTokens } from '../support/memory-tokens.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { ANNA, BO, put, testTokenStore, token } from '../support/token-store.contract.ts';
import { diskError, watchFiles } from '../support/watched-files.ts';

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

describe('a token file made by hand', () => {
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
    test(`counts as ${what}`, () => {
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
    test(`holds no token when it holds ${what}`, () => assert.equal(readToken(text), undefined));
  }

  test('is read where the store looks for it, appended lines and all', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(`${directory.path}/1234`, 'aaa\n');
    await appendFile(`${directory.path}/1234`, 'xxyyzz\n');
    assert.equal(await createTokenFiles(directory.path).load(ANNA), 'xxyyzz');
  });

  test('that cannot be understood stays, and the trouble says which file and what to do, not what it holds', async () => {
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

describe('a token file as weighbridge writes it', () => {
  test('is the token and a newline, for the owner alone, whatever stood there', async () => {
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

  test('is made beside its place, readable by nobody else even then', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using _lock = await store.lock(ANNA);
    {
      await using _place = await store.reserve(ANNA, undefined);
      const names = (await readdir(directory.path)).filter((name) => !name.endsWith('.lock'));
      assert.equal(names.length, 1);
      assert.equal((await stat(`${directory.path}/${names[0]}`)).mode & 0o777, 0o600);
      assert.deepEqual(await store.list(), [], 'and nobody takes it for a login');
    }
    assert.deepEqual(await readdir(directory.path), ['.1234.lock']);
  });

  test('a full disk is said to be full, before anything is written over', async () => {
    await using directory = await temporaryDirectory();
    await put(createTokenFiles(directory.path), ANNA, 'old');
    const full = watchFiles(async ({ name }, run) => {
      if (name.startsWith('write')) throw diskError('ENOSPC');
      return await run();
    });
    const store = createTokenFiles(directory.path, full);
    await using _lock = await store.lock(ANNA);
    await assert.rejects(store.reserve(ANNA, token('old')), { code: 'disk_full', recovery: 'retry' });
    assert.equal(await store.load(ANNA), 'old');
  });
});

test('only names of digits are users', async () => {
  await using directory = await temporaryDirectory();
  for (const name of ['1234', '.1234.lock', '.1234.tmp', '1234~', '1234.bak', ' 5', '-5', 'README', '٣', '5678']) {
    await writeFile(`${directory.path}/${name}`, 'xxyyzz\n');
  }
  assert.deepEqual((await createTokenFiles(directory.path).list()).sort(), [ANNA, BO]);
});

test('a directory that is gone is a trouble that names it, not a bare error', async () => {
  await using directory = await temporaryDirectory();
  const store = createTokenFiles(`${directory.path}/gone`);
  await assert.rejects(store.list(), (error) => error instanceof Trouble && error.message.includes('/gone'));
});

/** Tries a token, and gets no answer. */
async function send(store: TokenStore): Promise<void> {
  await using place = await store.reserve(ANNA, token('xxyyzz'));
  await place.sending();
}

test('a lock file with other things in it still remembers what was tried', async () => {
  await using directory = await temporaryDirectory();
  const store = createTokenFiles(directory.path);
  await writeFile(`${directory.path}/.1234.lock`, 'pid 1, from before the power cut, and then some');
  await using _lock = await store.lock(ANNA);
  await send(store);
  await using place = await store.reserve(ANNA, token('xxyyzz'));
  assert.notEqual(place.triedMsAgo, undefined);
});

describe('what was tried', () => {
  test('is known to another process, and how long ago', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using _lock = await store.lock(ANNA);
    await send(store);
    const before = Date.now();
    await utimes(`${directory.path}/.1234.lock`, new Date(before), new Date(before - 5_000));
    await using place = await createTokenFiles(directory.path).reserve(ANNA, token('xxyyzz'));
    const { triedMsAgo } = place;
    // File times are kept with fractions of a millisecond.
    assert.ok(triedMsAgo !== undefined && triedMsAgo >= 4_999 && triedMsAgo <= Date.now() - before + 5_001);
  });

  test('in a future that a wrong clock has seen is not known', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using _lock = await store.lock(ANNA);
    await send(store);
    await utimes(`${directory.path}/.1234.lock`, new Date('2099-01-01'), new Date('2099-01-01'));
    await using place = await store.reserve(ANNA, token('xxyyzz'));
    assert.equal(place.triedMsAgo, undefined);
  });

  test('can not be read from the file that says so', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await using _lock = await store.lock(ANNA);
    await using _place = await store.reserve(ANNA, token('xxyyzz'));
    assert.doesNotMatch(await readFile(`${directory.path}/.1234.lock`, 'utf8'), /xxyyzz/);
  });
});

describe('sweeping', () => {
  test('removes what killed processes left half-written, and nothing else', async () => {
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

  test('leaves a rotation that is under way alone', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await put(store, ANNA, 'old');
    let sweeping: Promise<void>;
    {
      await using _lock = await store.lock(ANNA);
      await using place = await store.reserve(ANNA, token('old'));
      sweeping = sweepTokenFiles(directory.path);
      await (await lockFile(`${directory.path}/.time-passes.lock`))[Symbol.asyncDispose]();
      await place.save(token('fresh'));
    }
    await sweeping;
    assert.equal(await store.load(ANNA), 'fresh');
  });
});

describe('a rotation whose token file changes while Withings answers', () => {
  for (const [what, change] of [
    ['by hand', (path: string) => writeFile(path, 'by-hand\n')],
    ['by a line that is appended', (path: string) => appendFile(path, 'by-hand\n')],
  ] as const) {
    test(`${what} leaves the file as it is`, async () => {
      await using directory = await temporaryDirectory();
      const store = createTokenFiles(directory.path);
      await put(store, ANNA, 'sent');
      await using slot = await store.reserve(ANNA, token('sent'));
      await change(`${directory.path}/${ANNA}`);
      await assert.rejects(slot.save(token('answered')), { code: 'login_changed', recovery: 'retry' });
      assert.equal(await store.load(ANNA), 'by-hand');
    });
  }

  test('and one that is gone stays gone: the person was unlinked by hand', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await put(store, ANNA, 'sent');
    await using slot = await store.reserve(ANNA, token('sent'));
    await rm(`${directory.path}/${ANNA}`);
    await assert.rejects(slot.save(token('answered')), { code: 'login_changed' });
    assert.equal(await store.load(ANNA), undefined);
  });

  test('by another process that lost the lock: the token that was saved first stays', async () => {
    await using directory = await temporaryDirectory();
    const store = createTokenFiles(directory.path);
    await put(store, ANNA, 'sent');
    await using slow = await store.reserve(ANNA, token('sent'));
    await using quick = await createTokenFiles(`${directory.path}/.`).reserve(ANNA, token('sent'));
    await quick.save(token('quick'));
    await assert.rejects(slow.save(token('slow')), { code: 'login_changed' });
    assert.equal(await store.load(ANNA), 'quick');
  });
});

describe('in the place of a token file', () => {
  test('a FIFO is told by name, and nothing waits for it', async () => {
    await using directory = await temporaryDirectory();
    assert.equal(spawnSync('mkfifo', [`${directory.path}/${ANNA}`]).status, 0);
    const trouble = await createTokenFiles(directory.path)
      .load(ANNA)
      .catch((error) => error);
    assert.equal(trouble.code, 'not_a_file');
    assert.match(trouble.message, /1234 is a FIFO/);
  });

  test('a link to a device is told by name', async () => {
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
