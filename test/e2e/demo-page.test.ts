import { strict as assert } from 'node:assert';
import { after, before, describe, test } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { findingsOf } from '../support/axe.ts';
import { findChromium, launchChromium, NO_BROWSER } from '../support/chromium.ts';
import { complaintsOf } from '../support/complaints.ts';
import { type Program, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** The demo weighs in every half minute, and the machine can be busy. */
const PATIENCE_MS = 120_000;

const chromium = findChromium();

describe('the page of the demo, in a browser', { skip: chromium === undefined && NO_BROWSER }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let demo: Program;
  let browser: Browser;
  let address: string;
  before(async () => {
    directory = await temporaryDirectory();
    demo = startProgram(['demo', '--json'], { cwd: directory.path, env: { TMPDIR: directory.path } });
    const { private: bound } = await demo.line(({ event }) => event === 'listening');
    address = `http://127.0.0.1:${(bound as { readonly port: number }).port}/`;
    await demo.line(({ event }) => event === 'reading');
    browser = await launchChromium(chromium ?? '');
  });
  after(async () => {
    await browser?.close();
    demo.child.kill('SIGTERM');
    await demo.exited;
    await directory[Symbol.asyncDispose]();
  });

  /** Opens the page, and fails at the end if the browser reported an error. */
  const look = async (options: BrowserContextOptions, work: (page: Page) => Promise<void>, query = '') => {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText}`));
    await page.goto(`${address}${query}`);
    await page.getByText('Live', { exact: true }).waitFor();
    await work(page);
    assert.deepEqual(
      complaints.filter((text) => !text.includes('ERR_ABORTED')),
      [],
    );
    await context.close();
  };

  test('shows two years of two people, and sends requests to this machine only', async () => {
    await look({}, async (page) => {
      const names = await page.getByRole('heading', { level: 2 }).allTextContents();
      assert.deepEqual(names, ['Anna', 'Bo']);
      await page.getByText('OK', { exact: true }).first().waitFor();
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      await page.reload();
      await page.getByText('Live', { exact: true }).waitFor();
      assert.ok(requests.length > 3);
      assert.deepEqual(
        requests.filter((url) => !url.startsWith(address)),
        [],
      );
    });
  });

  test('switches the range and back without a reload', async () => {
    await look({}, async (page) => {
      await page.evaluate('window.stays = true');
      const first = () => page.locator('.chart table tbody tr').last().textContent();
      const before = await first();
      await page.getByRole('link', { name: 'All', exact: true }).click();
      await page.locator('.ranges [aria-current]').getByText('All').waitFor();
      assert.notEqual(await first(), before);
      assert.match(page.url(), /\?range=all$/);
      await page.goBack();
      await page.locator('.ranges [aria-current]').getByText('3 months').waitFor();
      assert.equal(await page.evaluate('window.stays'), true);
    });
  });

  test('shows the next weigh-in automatically', async () => {
    await look({}, async (page) => {
      // The texts change at midnight, when today becomes yesterday.
      const weights = () =>
        page.evaluate(`[...document.querySelectorAll('.weight')].map(({ dataset }) => dataset.taken).join()`);
      const before = await weights();
      await page.evaluate('window.stays = true');
      while ((await weights()) === before) await page.waitForTimeout(200);
      assert.equal(await page.evaluate('window.stays'), true);
      assert.match((await page.locator('#news').textContent()) ?? '', /^(Anna|Bo): [0-9.]+/);
    });
  });

  test('links a person again', async () => {
    await look({}, async (page) => {
      const opened = page.waitForEvent('popup');
      await page
        .getByText(/^Connection:/)
        .first()
        .click();
      await page.getByRole('link', { name: /Link\s+Anna\s+again/ }).click();
      await (await opened).getByRole('heading', { name: 'Anna is linked again' }).waitFor();
    });
  });

  test('shows each value by keyboard', async () => {
    await look({}, async (page) => {
      const slider = page.getByRole('slider', { name: 'Weight of Anna, point by point' });
      await slider.focus();
      const at = () => slider.getAttribute('aria-valuetext');
      const newest = await at();
      await page.keyboard.press('ArrowLeft');
      const before = await at();
      await page.keyboard.press('Home');
      const oldest = await at();
      assert.equal(new Set([newest, before, oldest]).size, 3);
      for (const text of [newest, before, oldest]) assert.match(text ?? '', /^[0-9.]+\s?kg · .*\d{4}/);
    });
  });

  for (const [what, options] of [
    ['on a wide screen', { viewport: { width: 1440, height: 900 } }],
    ['in the dark', { viewport: { width: 820, height: 1000 }, colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ] as const) {
    test(`is accessible and fits ${what}`, async () => {
      await look(options, async (page) => {
        assert.deepEqual(await findingsOf(page), []);
        const overflow = await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        );
        assert.ok(Number(overflow) <= 0, `${overflow} px too wide`);
        const background = String(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
        const brightness =
          background
            .match(/[0-9]+/g)
            ?.slice(0, 3)
            .map(Number) ?? [];
        const isDark = brightness.every((part) => part < 80);
        assert.equal(isDark, 'colorScheme' in options, background);
      });
    });
  }
});
