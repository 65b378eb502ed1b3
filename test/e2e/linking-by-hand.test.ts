import { strict as assert } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, CLIENT, startHome } from '../support/home.ts';
import { MAIN } from '../support/program.ts';

const DOCUMENT = readFileSync(fileURLToPath(new URL('../../../docs/linking-by-hand.md', import.meta.url)), 'utf8');

/** The shell blocks that link a person, in their order. */
const BLOCKS = [...DOCUMENT.matchAll(/<!-- test: manual -->\n```sh\n(.*?)```/gs)].map(([, block = '']) => block);

async function bash(
  script: string,
  { cwd, input = '' }: { readonly cwd: string; readonly input?: string },
): Promise<string> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  // Most scripts read no input, and may have ended by then.
  child.stdin.on('error', () => undefined).end(input);
  return await text(child.stdout);
}

const curl = spawnSync('curl', ['--version']);
const skip = curl.error === undefined ? false : 'linking by hand needs curl';

test('the commands of linking-by-hand.md link a person, and the next weigh-in is logged', { skip }, async () => {
  await using home = await startHome();
  const port = await freePort();
  const env = { PORT: `${port}`, CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}` };
  await using daemon = await home.serve(env);
  const [values = '', link = '', exchange = '', subscribe = '', hand = ''] = BLOCKS.map((block) =>
    block
      .replace(/https:\/\/(wbsapi\.withings\.net|account\.withings\.com)/g, home.sandbox.url.origin)
      .replace(/^weighbridge(?= )/m, `'${process.execPath}' '${MAIN}'`),
  );
  const set = values
    .replace("CLIENT_ID='…'", `CLIENT_ID='${CLIENT.clientId}'`)
    .replace("CLIENT_SECRET='…'", `CLIENT_SECRET='${CLIENT.clientSecret}'`)
    .replace("CALLBACK_URL='https://…'", `CALLBACK_URL='${daemon.url}'`);
  const cwd = home.directory;

  const consent = await fetch((await bash(set + link, { cwd })).trim(), { redirect: 'manual' });
  const landed = new URL(consent.headers.get('location') ?? '');
  const page = await fetch(landed);
  assert.match(await page.text(), /link by hand, copy/, 'the browser ends on a page that does not use up the code');
  const code = landed.searchParams.get('code') ?? '';

  const answered = await bash(set + exchange + subscribe, { cwd, input: `${code}\n` });
  assert.match(answered, /^\{"status":0,.*\n\{"status":0,/);
  assert.match(await bash(set + hand, { cwd }), /tokens\/1234/);

  await home.sandbox.weigh('1234', { kilograms: 81.25, date: Math.floor(Date.now() / 1000) - 60 });
  await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.25);
});
