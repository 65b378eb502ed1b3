import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import * as failures from '../../src/app/link/link-failures.ts';
import type { Linked, LinkFailed, LinkOutcome } from '../../src/domain/link.ts';
import { Trouble } from '../../src/domain/trouble.ts';
import { createApp } from '../../src/http/answers.ts';
import { sendOutcome } from '../../src/http/link-page.ts';
import { findingsOf } from '../support/axe.ts';
import { findChromium, launchChromium, NO_BROWSER } from '../support/chromium.ts';
import { textOf } from '../support/page-text.ts';
import { ANNA, BO } from '../support/people.ts';

const CHROMIUM = findChromium();
const PEOPLE = { names: new Map([[ANNA, 'Anna']]), unit: 'kg' } as const;

const LINKED: Linked = {
  kind: 'linked',
  userId: ANNA,
  again: false,
  switchLink: undefined,
  lastWeighIn: { kilograms: 81.25, takenAt: new Date(2026, 10, 20, 7, 1) },
  hitches: [],
  subscribed: 'yes',
  isDaemon: true,
};
const translate = (code: string) =>
  failures.translate(new Trouble('it did', { code, recovery: 'retry' }), 'CALLBACK_URL');
const FAILURES: readonly LinkFailed[] = [
  failures.refused('odd <word>'),
  failures.DENIED,
  failures.STATE_MISSING,
  failures.STATE_FORGED,
  failures.STATE_EXPIRED,
  failures.CODE_USED,
  ...['code_refused', 'wrong_client', 'redirect_mismatch', 'throttled', 'unreachable', 'bad_answer'].map(translate),
  ...['defect', 'disk_full'].map(translate),
];

/** A page for the outcome, as the callback port sends it. */
async function serveOutcome(first: LinkOutcome | 'working') {
  let outcome = first;
  const app = createApp();
  app.get('/', (_request, response) => sendOutcome(response, outcome, PEOPLE));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    show(next: LinkOutcome | 'working') {
      outcome = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function pageOf(outcome: LinkOutcome | 'working') {
  await using served = await serveOutcome(outcome);
  const answer = await fetch(served.url);
  const markup = await answer.text();
  return {
    status: answer.status,
    markup,
    text: textOf(markup.replace(/<style>.*<\/style>/s, '')),
    title: /<title>(.*) · weighbridge<\/title>/.exec(markup)?.[1],
    sign: /<svg class="sign (\w+)"/.exec(markup)?.[1],
  };
}

describe('the page after a consent', () => {
  it('names only the linked person, and shows three facts', async () => {
    const { status, title, sign, text } = await pageOf(LINKED);
    assert.deepEqual([status, title, sign], [200, 'Anna is linked', 'good']);
    assert.match(text, /The next weigh-in appears on the status page within a minute or two\./);
    assert.match(
      text,
      /Last weigh-in 81\.25 kg , Friday,? 20 November 2026 at 07:01 Notifications On Withings user id 1234/,
    );
    assert.match(text, /You can close this page\.\s*$/);
    assert.equal((await pageOf({ ...LINKED, userId: BO, again: true })).title, 'User 5678 is linked again');
  });

  it('has the cause of each failure as its title', async () => {
    const titles: string[] = [];
    for (const failure of FAILURES) {
      const { status, title, sign, text } = await pageOf(failure);
      assert.deepEqual([status, title, sign], [400, failure.title, 'bad']);
      assert.match(text, /What to do: [A-Z]/);
      assert.ok(failure.title.length <= 32, failure.title);
      titles.push(failure.title);
    }
    assert.equal(new Set(titles).size, titles.length, titles.join());
    assert.ok(titles.includes('Link expired') && titles.includes('You chose not to link'));
  });

  it('has only curly quotes, also in texts that have straight quotes in the terminal', async () => {
    const hitch = 'Withings got no 200. Run "weighbridge doctor".';
    for (const outcome of [...FAILURES, { ...LINKED, hitches: [hitch] }] as const)
      assert.doesNotMatch((await pageOf(outcome)).text, /"/);
    assert.match(
      (await pageOf(failures.STATE_EXPIRED)).text,
      /“Add person” on the status page, or “weighbridge login”/,
    );
  });

  it('is correct without a running weighbridge, and with notifications off', async () => {
    const { text } = await pageOf({ ...LINKED, isDaemon: false });
    assert.match(text, /Start weighbridge to fetch the weigh-ins\./);
    assert.doesNotMatch(text, /within a minute|npm start/);
    assert.match((await pageOf({ ...LINKED, subscribed: 'later' })).text, /within a few hours.*Notifications Off\./);
    assert.match((await pageOf({ ...LINKED, subscribed: 'polling' })).text, /some minutes later.*weighbridge polls/);
  });

  it('reports a used link, and waits with a spinner', async () => {
    const already = await pageOf({ kind: 'already', userId: ANNA });
    assert.deepEqual([already.status, already.title, already.sign], [409, 'Already linked', 'good']);
    assert.match(already.text, /This link was used before: Anna is linked\. Nothing has changed\./);
    const working = await pageOf('working');
    assert.deepEqual([working.status, working.sign], [202, 'wait']);
    assert.match(working.markup, /http-equiv="refresh"/);
  });

  it('shows a name as text', async () => {
    const people = { names: new Map([[ANNA, '<b>A</b>']]), unit: 'kg' } as const;
    const app = createApp();
    app.get('/', (_request, response) => sendOutcome(response, LINKED, people));
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const markup = await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).text();
    server.close();
    assert.ok(!markup.includes('<b>A'));
    assert.match(markup, /<h1>&#60;b&#62;A&#60;\/b&#62; is linked<\/h1>/);
  });
});

describe('the page after a consent, in a browser', { skip: CHROMIUM === undefined ? NO_BROWSER : false }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium(CHROMIUM ?? '');
  });
  after(() => browser?.close());

  it('has a coloured sign, fits a phone, and has no finding of axe-core', async () => {
    await using served = await serveOutcome(LINKED);
    const colours: unknown[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await (await browser.newContext({ colorScheme, viewport: { width: 320, height: 640 } })).newPage();
      for (const outcome of [LINKED, failures.STATE_FORGED, 'working'] as const) {
        served.show(outcome);
        await page.goto(served.url);
        colours.push(await page.evaluate(`getComputedStyle(document.querySelector('.sign')).stroke`));
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
        // Only a refresh can wait for Withings without a script.
        const findings = (await findingsOf(page)).filter((each) => !each.startsWith('meta-refresh'));
        assert.deepEqual(findings, []);
      }
      await page.context().close();
    }
    assert.equal(new Set(colours).size, 6, colours.join());
  });
});
