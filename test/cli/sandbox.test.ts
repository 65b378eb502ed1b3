import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playSandbox } from '../../src/cli/sandbox.ts';
import { ExitCode } from '../../src/cli/shell.ts';
import type { UserId } from '../../src/domain/token.ts';
import { createShell } from '../support/shell.ts';

/** Runs the command until `work` has processed its output. */
async function play(
  options: Parameters<typeof playSandbox>[1],
  work: (printed: ReadonlyMap<string, string>) => Promise<void>,
) {
  const stop = new AbortController();
  const printed = new Map<string, string>();
  const said: string[] = [];
  let isReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const shell = createShell({
    signal: stop.signal,
    print: (line) => void printed.set(...(line.split(/ {2,}/, 2) as [string, string])),
    say(line) {
      said.push(line);
      if (line.startsWith('Press Ctrl-C')) isReady();
    },
  });
  const played = playSandbox(shell, options);
  await Promise.race([ready, played]);
  await work(printed).finally(() => stop.abort());
  return { code: await played, said };
}

test('the sandbox prints its addresses and an example that works unchanged', async () => {
  const { code, said } = await play({}, async (printed) => {
    const api = new URL(printed.get('API') ?? '');
    assert.equal(api.hostname, '127.0.0.1');
    for (const page of ['consent page', 'control page']) {
      const address = printed.get(page)?.replace('REDIRECT_URI', 'http%3A%2F%2F127.0.0.1%2Fback') ?? '';
      const text = await (await fetch(address)).text();
      assert.ok(text.includes('Anna') && text.includes('Bo'), page);
    }
    assert.deepEqual(
      [printed.get('client id'), printed.get('client secret')],
      ['sandbox-client', 'sandbox-client-secret'],
    );
    const [, token] = /Bearer ([0-9a-f]+)/.exec(printed.get('example') ?? '') ?? [];
    const example = printed.get('example') ?? '';
    assert.equal(example, `curl -H 'Authorization: Bearer ${token}' -d action=getmeas ${api.origin}/measure`);
    const headers = { authorization: `Bearer ${token}` };
    const body = new URLSearchParams({ action: 'getmeas' });
    const answer = await fetch(`${api.origin}/measure`, { method: 'POST', headers, body });
    const { body: page } = (await answer.json()) as {
      body: { more: number; measuregrps: { created: number; date: number }[] };
    };
    assert.deepEqual([page.more, page.measuregrps.length], [1, 250], 'two years take several pages');
    assert.ok(page.measuregrps.every(({ created, date }) => created === date + 60));
  });
  assert.equal(code, ExitCode.done);
  assert.deepEqual(said, ['Press Ctrl-C to stop. The sandbox stores nothing.', '/measure getmeas 0']);
});

test('--people names who can consent, and --port sets the port', async () => {
  const people = new Map([['77' as string as UserId, 'Cleo']]);
  await play({ people }, async (printed) => {
    const page = await (await fetch(printed.get('control page') ?? '')).text();
    assert.ok(page.includes('<h2>Cleo (77)</h2>') && !page.includes('Anna'));
    const port = Number(new URL(printed.get('API') ?? '').port);
    const taken = `port ${port} is already in use. Choose another port with --port.`;
    await assert.rejects(
      play({ port }, async () => undefined),
      { code: ExitCode.failed, message: taken },
    );
  });
});

test('the action of a caller is printed as one short line', async () => {
  const action = `a\u001b[2J\r\nü${'x'.repeat(1000)}`;
  const { said } = await play({}, async (printed) => {
    await fetch(`${printed.get('API')}/measure`, { method: 'POST', body: new URLSearchParams({ action }) });
  });
  assert.match(said.at(-1) ?? '', /^\/measure a\?\[2J\?\?\?x{24} 401 /);
});
