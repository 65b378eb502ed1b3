import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { realClock } from '../../src/runtime/real-clock.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { createWithingsClient } from '../../src/withings/client.ts';
import { createRateLimit } from '../../src/withings/rate-limit.ts';
import { CLIENT } from '../support/home.ts';

/** Checks the credentials against the sandbox as the daemon does. */
async function check(credentials: typeof CLIENT): Promise<void> {
  await using sandbox = await startSandbox({ clock: realClock, client: CLIENT });
  const { signal } = new AbortController();
  const rateLimit = createRateLimit({ clock: realClock, signal });
  await createWithingsClient({
    apiUrl: sandbox.url,
    ...credentials,
    rateLimit,
    clock: realClock,
    signal,
  }).checkCredentials();
}

describe('the signed nonce call', () => {
  it('proves the client id and secret', () => check(CLIENT));

  for (const wrong of [{ clientSecret: 'another-secret' }, { clientId: 'another-client' }]) {
    it(`reports a wrong ${Object.keys(wrong)} by name`, async () => {
      await assert.rejects(check({ ...CLIENT, ...wrong }), { code: 'wrong_client', recovery: 'settings' });
    });
  }

  it('is rejected by the sandbox with a signature of other values', async () => {
    await using sandbox = await startSandbox({ clock: realClock, client: CLIENT });
    const timestamp = String(Math.floor(Date.now() / 1000));
    const ask = async (text: string) => {
      const signature = createHmac('sha256', CLIENT.clientSecret).update(text).digest('hex');
      const body = new URLSearchParams({ action: 'getnonce', client_id: CLIENT.clientId, timestamp, signature });
      const answer = await fetch(new URL('/v2/signature', sandbox.url), { method: 'POST', body });
      return (await answer.json()) as { status: number; body: { nonce: string } };
    };
    assert.deepEqual(await ask(`getnonce,${timestamp},${CLIENT.clientId}`), {
      status: 503,
      body: {},
      error: 'Invalid Params: invalid client id/secret',
    });
    const { status, body } = await ask(`getnonce,${CLIENT.clientId},${timestamp}`);
    assert.equal(status, 0);
    assert.match(body.nonce, /^[0-9a-f]{40}$/);
  });
});
