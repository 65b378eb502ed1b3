import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import type { Reading } from '../../src/domain/reading.ts';
import type { UserId } from '../../src/domain/token.ts';
import { openJournal } from '../../src/storage/journal/journal.ts';
import { findChromium, launchChromium, NO_BROWSER } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, startHome } from '../support/home.ts';
import { residentMegabytes } from '../support/memory.ts';
import { ANNA, BO } from '../support/people.ts';
import { createRandom } from '../support/random.ts';
import { createRecordingLog } from '../support/recording-log.ts';

/**
 * `npm run page -- --readings 10000` measures the page: bytes, requests, the time to the first content on a slow
 * machine, and the cost for the daemon.
 */
const { values } = parseArgs({
  options: { readings: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '5' } },
});
const READINGS = Number(values.readings);
const ROUNDS = Number(values.rounds);
const PAGES = 10;
const HOUR_MS = 3_600_000;
/** The factors by which the browser is slowed down. */
const SLOWER = [1, 4, 20];

const chromium = findChromium();
if (chromium === undefined) throw new Error(NO_BROWSER);
await using home = await startHome();
const port = await freePort();
await fill(home);
await using daemon = await home.serve({ STATUS_PORT: `${port}`, USER_NAMES: '1234:Anna,5678:Bo' });
await using browser = await launchChromium(chromium);
const { pid } = daemon.child;
const url = `http://127.0.0.1:${port}/`;
await sleep(3_000);

say(`${READINGS} readings of two people with seven quantities each, medians of ${ROUNDS}`);
const idleMb = await residentMegabytes(pid);
for (const range of ['quarter', 'year', 'all']) {
  const drawn: number[] = [];
  let bytes = 0;
  for (let round = 0; round < ROUNDS + 1; round += 1) {
    const startMs = performance.now();
    const answer = await fetch(`${url}?range=${range}`);
    bytes = (await answer.arrayBuffer()).byteLength;
    drawn.push(performance.now() - startMs);
  }
  say(
    `${range}: ${bytes} bytes, drawn and sent in ${ms(median(drawn.slice(1)))} (the first time ${ms(drawn[0] ?? 0)})`,
  );
}
for (const slower of SLOWER) {
  const [painted, loaded]: [number[], number[]] = [[], []];
  let transfer = { requests: 0, bytes: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const seen = await open(slower);
    painted.push(seen.paintedMs);
    loaded.push(seen.loadedMs);
    transfer = seen.transfer;
  }
  const { requests, bytes } = transfer;
  say(
    `processor ${slower} times slower: first contentful paint after ${ms(median(painted))}, loaded after ` +
      `${ms(median(loaded))} (${requests} requests, ${bytes} bytes)`,
  );
}
const afterMb = await residentMegabytes(pid);
const contexts = await Promise.all(Array.from({ length: PAGES }, () => browser.newContext()));
const pages = await Promise.all(contexts.map((context) => context.newPage()));
await Promise.all(pages.map((page) => page.goto(`${url}?range=all`)));
await Promise.all(pages.map((page) => page.getByText('Live', { exact: true }).waitFor()));
await sleep(3_000);
const openMb = await residentMegabytes(pid);
await Promise.all(pages.map((page) => page.close()));
say(`memory: ${idleMb} MB before anybody looks, ${afterMb} MB after that, ${openMb} MB with ${PAGES} pages open`);

/** Writes years of weigh-ins of two people, the last an hour ago. */
async function fill({ directory, link }: Home): Promise<void> {
  await mkdir(join(directory, 'data'), { mode: 0o700 });
  const journal = await openJournal(join(directory, 'data/measures.jsonl'), createRecordingLog());
  for (const userId of [ANNA, BO]) {
    await link(userId);
    await journal.append(readingsOf(userId, READINGS / 2), { history: true });
  }
}

function readingsOf(userId: UserId, count: number): Reading[] {
  const random = createRandom(Number(userId));
  const nowMs = Date.now();
  return Array.from({ length: count }, (_, at) => {
    const takenAt = new Date(nowMs - HOUR_MS - (count - at - 1) * 17 * HOUR_MS);
    const weight = Math.round((85 + 6 * Math.sin(at / 400) + random() * 1.5) * 100) / 100;
    const share = (part: number) => Math.round(weight * part * 100) / 100;
    return {
      userId,
      groupId: 5_000_000_000 + Number(userId) * 100_000 + at,
      takenAt,
      modifiedAt: takenAt,
      attribution: 0,
      ambiguous: false,
      deviceId: undefined,
      model: 'Body+',
      timeZone: undefined,
      measures: {
        weight,
        fat_ratio: Math.round((18 + random()) * 100) / 100,
        fat_mass: share(0.18),
        muscle_mass: share(0.78),
        hydration: share(0.55),
        bone_mass: share(0.04),
        heart_rate: 55 + Math.round(random() * 12),
      },
    };
  });
}

/** Opens the page with an empty cache, and waits until the page is live. */
async function open(slower: number) {
  await using context = await browser.newContext();
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: slower });
  await devtools.send('Network.enable');
  const transfer = { requests: 0, bytes: 0 };
  devtools.on('Network.loadingFinished', ({ encodedDataLength }) => {
    transfer.requests += 1;
    transfer.bytes += encodedDataLength;
  });
  await page.goto(`${url}?range=all`, { waitUntil: 'load' });
  const [paintedMs, loadedMs] = await timesOf(page);
  return { paintedMs, loadedMs, transfer: { ...transfer } };
}

async function timesOf(page: Page): Promise<readonly [painted: number, loaded: number]> {
  await page.waitForFunction("performance.getEntriesByName('first-contentful-paint').length > 0");
  return await page.evaluate(
    "[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.getEntriesByType('navigation')[0].loadEventEnd]",
  );
}

function median(list: readonly number[]): number {
  return list.toSorted((one, other) => one - other)[Math.floor(list.length / 2)] ?? 0;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
