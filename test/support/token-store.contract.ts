import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TokenLock, TokenStore, UserId } from '../../src/domain/token.ts';
import { parseAccessToken, parseRefreshToken, parseUserId } from '../../src/domain/token.ts';

export const ANNA = user('1234');
export const BO = user('5678');

export function user(text: string): UserId {
  return parseUserId(text) ?? assert.fail(`${text} is not a user id`);
}

export function token(text: string) {
  return parseRefreshToken(text) ?? assert.fail(`${text} is not a token`);
}

export function accessToken(text: string) {
  return parseAccessToken(text) ?? assert.fail(`${text} is not a token`);
}

/** Stores a token as a login does. */
export async function put(store: TokenStore, userId: UserId, text: string): Promise<void> {
  await using lock = await store.lock(userId);
  await using place = await lock.reserve(undefined);
  await place.save(token(text));
}

/** Tests the contract of a TokenStore. Run it for each implementation. */
export function testTokenStore(name: string, open: () => Promise<AsyncDisposable & { readonly store: TokenStore }>) {
  /** Returns the last attempt that the next reservation of this token reports. */
  const tried = async (lock: TokenLock, text: string) => {
    await using place = await lock.reserve(token(text));
    await place.sending();
    return place.triedMsAgo;
  };

  describe(name, () => {
    test('is empty at first', async () => {
      await using opened = await open();
      assert.deepEqual(await opened.store.list(), []);
      assert.equal(await opened.store.load(ANNA), undefined);
    });

    test('returns a saved token to its own user', async () => {
      await using opened = await open();
      await put(opened.store, ANNA, 'aaa');
      await put(opened.store, BO, 'bbb');
      assert.equal(await opened.store.load(ANNA), 'aaa');
      assert.equal(await opened.store.load(BO), 'bbb');
      assert.deepEqual((await opened.store.list()).sort(), [ANNA, BO]);
    });

    test('replaces a token by the second one, whatever their lengths', async () => {
      await using opened = await open();
      for (const text of ['a'.repeat(1024), 'b', 'c'.repeat(40)]) {
        await put(opened.store, ANNA, text);
        assert.equal(await opened.store.load(ANNA), text);
      }
    });

    test('keeps the old token after an abandoned reservation', async () => {
      await using opened = await open();
      await put(opened.store, ANNA, 'old');
      {
        await using lock = await opened.store.lock(ANNA);
        await using _place = await lock.reserve(token('old'));
      }
      assert.equal(await opened.store.load(ANNA), 'old');
    });

    test('remembers the time of the last attempt with exactly this token', async () => {
      await using opened = await open();
      await using lock = await opened.store.lock(ANNA);
      assert.equal(await tried(lock, 'one'), undefined);
      const startedAt = Date.now();
      const first = await tried(lock, 'one');
      assert.ok(first !== undefined && first >= 0 && first < 60_000, `${first}`);
      const again = await tried(lock, 'one');
      assert.ok(again !== undefined && again <= Date.now() - startedAt + 20, 'it counts from the last try');
      assert.equal(await tried(lock, 'two'), undefined);
      assert.equal(await tried(lock, 'one'), undefined, 'only the last one is known');
    });

    test('reports no attempt for a first login', async () => {
      await using opened = await open();
      await using lock = await opened.store.lock(ANNA);
      for (const _time of [1, 2]) {
        await using place = await lock.reserve(undefined);
        assert.equal(place.triedMsAgo, undefined);
      }
    });

    test('locks a user for one caller at a time, and other users do not wait', async () => {
      await using opened = await open();
      const first = await opened.store.lock(ANNA);
      const order: string[] = [];
      const second = opened.store.lock(ANNA).then((lock) => {
        order.push('second');
        return lock;
      });
      await (await opened.store.lock(BO))[Symbol.asyncDispose]();
      order.push('other user');
      await first[Symbol.asyncDispose]();
      await (await second)[Symbol.asyncDispose]();
      assert.deepEqual(order, ['other user', 'second']);
    });

    test('does not give the lock to a caller that stopped waiting', async () => {
      await using opened = await open();
      const first = await opened.store.lock(ANNA);
      const stop = new AbortController();
      const waiting = opened.store.lock(ANNA, stop.signal);
      stop.abort();
      await assert.rejects(waiting);
      await assert.rejects(opened.store.lock(ANNA, AbortSignal.abort()));
      await first[Symbol.asyncDispose]();
      await (await opened.store.lock(ANNA))[Symbol.asyncDispose]();
    });
  });
}
