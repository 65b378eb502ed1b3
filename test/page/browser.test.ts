import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import type { PageView } from '../../src/page/view.ts';
import { findingsOf } from '../support/axe.ts';
import { findChromium, launchChromium, NO_BROWSER } from '../support/chromium.ts';
import { ANNAS, household, NOW, person, VIEWS, view } from '../support/page-views.ts';
import { visit } from '../support/page-visit.ts';
import { ANNA } from '../support/people.ts';

const CHROMIUM = findChromium();
const SCRUBBER = `#sw${ANNA}`;
const READOUT = `#u${ANNA} .readout`;
const REST = /^Trend 81\.5 kg [−+]0\.\d\d kg per week$/;
/** The tip next to a point. */
const TIP = `#u${ANNA} .tip`;
const IS_TOLD = `!document.querySelector('${TIP}').hidden`;

const shown = (name: string): PageView => VIEWS[name] ?? view();
const WELL = shown('well');
const ALONE = shown('alone');

/** These states show other figures in the layout of another state. */
const ALIKE = new Set(['year', 'all', 'pounds', 'stones', 'only-weight']);

/** The mark disappears automatically, on a busy machine before the test sees it. */
const MARKED = `new MutationObserver(() => { window.marked ||= document.querySelector('#u${ANNA}.news') !== null; })
  .observe(document.body, { attributes: true, subtree: true })`;
/** Counts the events in parallel with the page's own script. */
const HEAR = `new Promise((heard) => {
  window.beats = 0;
  const changes = new EventSource('/changes');
  changes.addEventListener('beat', () => { window.beats += 1; });
  changes.addEventListener('open', () => heard());
})`;

/** Returns the page after another weigh-in of Anna. */
function afterAnother(kilograms: number): PageView {
  const weight = [...(ANNAS['weight'] ?? []), { takenMs: NOW.getTime() - 5_000, value: kilograms }];
  return household([[person(ANNA, 'Anna'), { ...ANNAS, weight }]]);
}

describe('the page in a browser', { skip: CHROMIUM === undefined ? NO_BROWSER : false }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium(CHROMIUM ?? '');
  });
  after(() => browser?.close());
  const open = (each: PageView, options = {}) => visit(browser, each, options);

  it('shows each point by keyboard', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    assert.equal(await at.value(IS_TOLD), false);
    await at.page.locator(SCRUBBER).focus();
    assert.equal(await at.value(IS_TOLD), true);
    assert.match(await at.text(TIP), /^81\.19 kg Sat 21 November 2026 · trend 81\.5 kg$/);
    await at.page.keyboard.press('ArrowLeft');
    assert.match(await at.text(TIP), /^81\.94 kg Thu 19 November 2026 · trend 81\.5 kg$/);
    assert.match(await at.text(READOUT), REST, 'the header stays');
    const spoken = await at.page.locator(SCRUBBER).getAttribute('aria-valuetext');
    assert.equal(spoken, '81.94 kg · Thu 19 November 2026 · trend 81.5 kg');
    await at.page.keyboard.press('Home');
    assert.match(await at.text(TIP), /Fri 21 August 2026/);
    await at.page.keyboard.press('End');
    assert.match(await at.text(TIP), /Sat 21 November 2026/);
    await at.page.keyboard.press('Tab');
    await at.until(() => at.value(IS_TOLD), false);
  });

  it('reaches every control by keyboard, in the order of the page', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    const reached: unknown[] = [];
    for (let step = 0; step < 20; step += 1) {
      await at.page.keyboard.press('Tab');
      reached.push(await at.value('document.activeElement.id || document.activeElement.textContent.trim()'));
    }
    assert.deepEqual(reached.slice(0, 9), [
      'weighbridge',
      'OK',
      '1 month',
      '3 months',
      '1 year',
      'All',
      `sw${ANNA}`,
      'Weight as table: Weight of Anna',
      `sb${ANNA}-fat_ratio`,
    ]);
    for (const each of [/^Connection: OK/, /^CSV of all weigh-ins of Anna$/, /^Add person$/])
      assert.match(reached.join('\n'), new RegExp(each.source, 'm'));
    await at.page.keyboard.press('Shift+Tab');
    assert.equal(await at.value('getComputedStyle(document.activeElement).outlineStyle'), 'solid');
    for (let step = 0; step < 16; step += 1) {
      if ((await at.value('document.activeElement.type')) === 'range') break;
      await at.page.keyboard.press('Shift+Tab');
    }
    const outline = `getComputedStyle(document.activeElement.closest('.plot')).outlineStyle`;
    assert.equal(await at.value(outline), 'solid');
  });

  it('shows the point under the mouse, as long as the mouse is there', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    const box = await at.page.locator('.plot').first().boundingBox();
    assert.ok(box !== null);
    await at.page.mouse.move(box.x + box.width * 0.1, box.y + 20);
    const first = await at.text(TIP);
    assert.match(first, / kg \w+ \d+ (August|September) 2026 · trend 8/);
    await at.page.mouse.move(box.x + box.width * 0.9, box.y + 60);
    assert.match(await at.text(TIP), / November 2026 · trend 8/);
    assert.equal(await at.page.locator('.cursor').first().getAttribute('visibility'), 'visible');
    await at.page.mouse.move(box.x + box.width * 0.5, box.y - 60);
    assert.equal(await at.value(IS_TOLD), false);
    assert.equal(await at.page.locator('.cursor').first().getAttribute('visibility'), 'hidden');
  });

  it('shows the point under a finger, keeps it readable, and lets the page scroll', async () => {
    await using at = await open(ALONE, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await at.until(() => at.text('#connection'), 'Live');
    const plot = at.page.locator('.plot').first();
    await plot.scrollIntoViewIfNeeded();
    const box = await plot.boundingBox();
    assert.ok(box !== null);
    await at.page.touchscreen.tap(box.x + box.width * 0.5, box.y + 40);
    await at.until(() => at.text(TIP), / kg \w+ \d+ October 2026 · trend 8/);
    assert.equal(await at.value(`getComputedStyle(document.querySelector('.plot')).touchAction`), 'pan-y');
  });

  it('continues by keyboard from the last click', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    const box = await at.page.locator('.plot').first().boundingBox();
    assert.ok(box !== null);
    await at.page.mouse.click(box.x + box.width - 1, box.y + 60);
    await at.page.mouse.move(box.x + box.width / 2, box.y - 60);
    assert.match(await at.text(TIP), /Sat 21 November 2026/);
    await at.page.keyboard.press('ArrowLeft');
    assert.match(await at.text(TIP), /Thu 19 November 2026/);
  });

  it('puts the mark on the dot of the shown value', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    await at.page.locator(SCRUBBER).focus();
    const [, x, y] = /M(\d+) (\d+)h0$/.exec((await at.page.locator('.dots').first().getAttribute('d')) ?? '') ?? [];
    const circle = at.page.locator('.cursor circle').first();
    assert.equal(await circle.getAttribute('cx'), `${Number(x) / 10}%`);
    assert.equal(await circle.getAttribute('cy'), `${Number(y) / 10}%`);
  });

  it('shows the values of the small charts', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    assert.match(await at.text('.small .chart .readout'), /^19\.9 % −1\.\d pts since 2\d Aug$/);
    await at.page.locator(`#sb${ANNA}-fat_ratio`).focus();
    assert.match(await at.text('.small .chart .tip'), /^\d\d\.\d % week of 16 November 2026$/);
  });

  it('changes the range without a reload, and returns', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    await at.value('window.same = true');
    await at.page.getByRole('link', { name: '1 year' }).click();
    await at.until(() => at.text('.ranges [aria-current]'), '1 year');
    await at.until(() => at.text('#news'), '1 year is shown');
    assert.equal(
      await at.value('location.search + window.same + document.activeElement.textContent'),
      '?range=yeartrue1 year',
    );
    const points = Number(await at.page.locator(SCRUBBER).getAttribute('max'));
    assert.ok(points > 250, String(points));
    await at.page.goBack();
    await at.until(() => at.text('.ranges [aria-current]'), '3 months');
    assert.equal(await at.value('location.search + window.same'), 'true');
  });

  it('is complete without its script', async () => {
    await using at = await open(ALONE, { javaScriptEnabled: false });
    await at.page.getByRole('link', { name: '1 year' }).click();
    assert.equal(await at.text('.ranges [aria-current]'), '1 year');
    await at.page.getByText('Weight as table').first().click();
    assert.ok((await at.page.locator('table').first().locator('tr').count()) > 250);
    assert.equal(await at.page.locator('input:visible, button:visible').count(), 0);
  });

  it('leads to Withings by a link', async () => {
    await using at = await open(shown('needs-login'));
    const opened = at.page.waitForEvent('popup');
    await at.page.getByRole('link', { name: 'Link Anna again' }).first().click();
    await (await opened).waitForURL('**/link');
  });

  it('shows a weigh-in automatically, without moving the focus', async () => {
    await using at = await open(ALONE, { viewport: { width: 360, height: 740 } });
    await at.until(() => at.text('#connection'), 'Live');
    await at.page.getByText('Weight as table').first().click();
    await at.page.locator(SCRUBBER).focus();
    for (let step = 0; step < 3; step += 1) await at.page.keyboard.press('ArrowLeft');
    const told = await at.text(TIP);
    const scrolled = await at.value('scrollY');
    await at.value('window.same = document.activeElement');
    await at.value(MARKED);
    assert.equal(at.server.followers, 1);
    at.server.show(afterAnother(80.95));
    await at.until(() => at.text(`#u${ANNA} .weight`), '80.95 kg today 07:04');
    await at.until(() => at.text('#news'), /^Anna: 80\.95 kg today 07:04$/);
    assert.equal(await at.value('window.marked'), true);
    assert.equal(await at.value('window.same === document.activeElement'), true);
    assert.ok((await at.text(TIP)).startsWith(told.slice(0, told.indexOf(' · '))), told);
    assert.equal(await at.value('scrollY'), scrolled);
    assert.equal(await at.page.locator('details[open]').count(), 1);
    const table = at.page.locator('tbody tr:nth-child(2)').first();
    assert.match((await table.textContent()) ?? '', /^Sat 2181\.0781\.\d2\s*$/);
  });

  it('holds a connection only while it is visible, and catches up afterwards', async () => {
    await using at = await open(ALONE);
    await at.until(async () => at.server.followers, 1);
    await at.value(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away })`);
    await at.value(`window.away = true; document.dispatchEvent(new Event('visibilitychange'))`);
    await at.until(async () => at.server.followers, 0);
    at.server.show(afterAnother(80.95));
    await at.value(`window.away = false; document.dispatchEvent(new Event('visibilitychange'))`);
    await at.until(() => at.text(`#u${ANNA} .weight`), /^80\.95 kg/);
    assert.equal(at.server.followers, 1);
  });

  it('reports a lost connection, and catches up with the next one', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    at.server.interrupt(true);
    await at.until(() => at.text('#connection'), /^Connection lost at \d\d:\d\d\. Reconnecting…$/);
    at.server.show(afterAnother(80.95));
    at.server.interrupt(false);
    await at.until(() => at.text('#connection'), 'Live');
    await at.until(() => at.text(`#u${ANNA} .weight`), /^80\.95 kg/);
    // The browser logs the failed connection as an error.
    at.complaints.length = 0;
  });

  it('notices a silent connection that is still open', async () => {
    await using at = await open(ALONE);
    await at.page.clock.install();
    await at.page.reload();
    await at.until(() => at.text('#connection'), 'Live');
    at.server.freeze(true);
    await at.page.clock.fastForward(30_000);
    await at.until(() => at.text('#connection'), /^Connection lost at \d\d:\d\d\. Reconnecting…$/);
    at.server.freeze(false);
    at.server.show(afterAnother(80.95));
    await at.page.clock.fastForward(60_000);
    await at.until(() => at.text('#connection'), 'Live');
    await at.until(() => at.text(`#u${ANNA} .weight`), /^80\.95 kg/);
    at.complaints.length = 0;
  });

  it('treats a heartbeat as a sign of life', async () => {
    await using at = await open(ALONE);
    await at.page.clock.install();
    await at.page.reload();
    await at.until(() => at.text('#connection'), 'Live');
    await at.value(HEAR);
    // The total exceeds the allowed silence. Each step is so short that a beat may be late.
    for (let beat = 1; beat <= 4; beat += 1) {
      await at.page.clock.fastForward(8_000);
      at.server.beat();
      await at.until(() => at.value('window.beats'), beat);
      assert.equal(await at.text('#connection'), 'Live');
    }
  });

  it('stops waiting for a page that does not arrive', async () => {
    await using at = await open(ALONE);
    await at.page.clock.install();
    await at.page.reload();
    await at.until(() => at.text('#connection'), 'Live');
    at.server.freeze(true);
    at.server.show(afterAnother(80.95));
    await at.until(async () => at.server.waiting, 1);
    await at.page.clock.fastForward(16_000);
    await at.until(() => at.text('#connection'), /^Connection lost/);
    at.complaints.length = 0;
  });

  it('marks a range only after the range is shown, and shows it with the next connection', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    at.server.interrupt(true);
    await at.until(() => at.text('#connection'), /^Connection lost/);
    await at.page.getByRole('link', { name: '1 year' }).click();
    await at.until(() => at.text('#news'), '1 year will be shown when the connection is back');
    assert.equal(await at.text('.ranges [aria-current]'), '3 months');
    at.server.interrupt(false);
    await at.until(() => at.text('.ranges [aria-current]'), '1 year');
    at.complaints.length = 0;
  });

  it('reloads once if another version has other files', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    const loaded = at.page.waitForEvent('load');
    at.server.show({ ...ALONE, version: '0.2.0' });
    await loaded;
    await at.until(() => at.text('#connection'), 'Live');
    let loads = 0;
    at.page.on('request', (request) => {
      if (request.isNavigationRequest()) loads += 1;
    });
    // A proxy in between sends other addresses to a script than to a browser.
    await at.page.route('**/', async (route) => {
      if (route.request().isNavigationRequest()) return await route.continue();
      const response = await route.fetch();
      await route.fulfill({ response, body: (await response.text()).replaceAll('?v=0.2.0', '?v=odd') });
    });
    for (const kilograms of [80.95, 80.96, 80.97]) {
      at.server.show({ ...afterAnother(kilograms), version: '0.2.0' });
      await at.until(() => at.text(`#u${ANNA} .weight`), new RegExp(`^${kilograms} kg`));
    }
    await at.until(() => at.text('#connection'), 'Live');
    assert.equal(loads, 1);
  });

  it('does not reload if another program adds files', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    await at.value(`window.same = true; document.head.append(document.createElement('link'))`);
    at.server.show(afterAnother(80.95));
    await at.until(() => at.text(`#u${ANNA} .weight`), /^80\.95 kg/);
    assert.equal(await at.value('window.same'), true);
  });

  it('keeps the point under a resting mouse during a change', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    const box = await at.page.locator('.plot').first().boundingBox();
    assert.ok(box !== null);
    await at.page.mouse.move(box.x + box.width * 0.3, box.y + 20);
    const told = await at.text(TIP);
    assert.equal(await at.value(IS_TOLD), true);
    at.server.show(afterAnother(80.95));
    await at.until(() => at.text(`#u${ANNA} .weight`), /^80\.95 kg/);
    assert.equal(await at.value(IS_TOLD), true);
    assert.equal((await at.text(TIP)).split(' · ')[0], told.split(' · ')[0]);
    assert.equal(await at.page.locator('.cursor').first().getAttribute('visibility'), 'visible');
    await at.page.mouse.move(box.x, box.y - 60);
    assert.equal(await at.value(IS_TOLD), false);
  });

  it('updates relative times automatically', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    assert.equal(await at.text('[data-ages]'), '2 minutes ago');
    await at.page.clock.install();
    await at.page.reload();
    await at.until(() => at.text('#connection'), 'Live');
    // A connected browser would get a fresh page.
    at.server.interrupt(true);
    await at.until(() => at.text('#connection'), /^Connection lost/);
    await at.page.clock.fastForward(55 * 60_000);
    await at.until(() => at.text('[data-ages]'), '57 minutes ago');
    at.server.interrupt(false);
    await at.until(() => at.text('#connection'), 'Live');
    at.complaints.length = 0;
  });

  it('copies the callback URL', async () => {
    await using at = await open(shown('empty'));
    const button = at.page.getByRole('button', { name: 'Copy' });
    await button.click();
    await at.until(() => at.text('[data-copies]'), 'Copied');
    assert.equal(await at.value('getSelection().toString()'), shown('empty').callbackUrl);
  });

  it('is dark in the dark mode of the browser', async () => {
    const brightness =
      'getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).reduce((sum, each) => sum + +each, 0)';
    await using light = await open(WELL, { colorScheme: 'light' });
    await using dark = await open(WELL, { colorScheme: 'dark' });
    assert.ok(Number(await light.value(brightness)) > 600);
    assert.ok(Number(await dark.value(brightness)) < 150);
  });

  it('shows full titles on a phone', async () => {
    await using at = await open(ALONE, { viewport: { width: 360, height: 740 } });
    await at.value(`for (const each of document.querySelectorAll('details')) each.open = true`);
    const cut = `[...document.querySelectorAll('h4')].filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent).join()`;
    assert.equal(await at.value(cut), '');
  });

  it('does not break words on a phone', async () => {
    await using at = await open(shown('derived'), { viewport: { width: 320, height: 740 } });
    await at.value(`for (const each of document.querySelectorAll('details')) each.open = true`);
    // A word is broken if it spans two lines.
    const broken = `[...document.querySelectorAll('body *:not(svg *, code)')].flatMap((each) => [...each.childNodes])
      .filter((node) => node.nodeType === 3 && !node.parentElement.closest('.unseen'))
      .flatMap((node) => [...node.data.matchAll(/[^\\s-]+/g)].filter(({ index, 0: word }) => {
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1;
      })).map(([word]) => word).join()`;
    assert.equal(await at.value(broken), '');
  });

  it('shows the body composition on a wide screen, and folds it on a phone', async () => {
    await using at = await open(ALONE, { javaScriptEnabled: false });
    const chart = at.page.locator('.composition .plot').first();
    assert.equal(await chart.isVisible(), true);
    await at.page.setViewportSize({ width: 390, height: 740 });
    assert.equal(await chart.isVisible(), false);
    await at.page.getByText('Body composition', { exact: true }).first().click();
    assert.equal(await chart.isVisible(), true);
  });

  it('opens the health pill, and keeps it open during a change', async () => {
    await using at = await open(ALONE);
    await at.until(() => at.text('#connection'), 'Live');
    await at.page.locator('summary.pill').click();
    assert.equal(await at.page.locator('.sheet').isVisible(), true);
    at.server.show(afterAnother(80.95));
    await at.until(() => at.text(`#u${ANNA} .weight`), /^80\.95 kg/);
    assert.equal(await at.page.locator('.sheet').isVisible(), true);
    at.server.show(shown('needs-login'));
    await at.until(() => at.text('#health'), 'Action needed');
    assert.equal(await at.page.locator('#actions').isVisible(), true);
  });

  it('needs no horizontal scrolling on a phone, in any state', async () => {
    await using at = await open(WELL);
    for (const [name, each] of Object.entries(VIEWS)) {
      at.server.show(each);
      await at.page.reload({ waitUntil: 'domcontentloaded' });
      for (const width of [320, 360]) {
        await at.page.setViewportSize({ width, height: 740 });
        const widest = await at.value('document.documentElement.scrollWidth');
        assert.ok(Number(widest) <= width, `${name}: ${widest} at ${width}`);
      }
    }
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no finding of axe-core in any state in the colour scheme ${colorScheme}`, async () => {
      await using at = await open(ALONE, { colorScheme });
      for (const [name, each] of Object.entries(VIEWS)) {
        // Folded parts are equal in every state.
        const isUnfolded = name === 'one-weight' || name === 'month';
        if (!isUnfolded && ALIKE.has(name)) continue;
        at.server.show(each);
        await at.page.reload();
        await at.until(() => at.text('#connection'), 'Live');
        if (isUnfolded) await at.value(`for (const each of document.querySelectorAll('details')) each.open = true`);
        assert.deepEqual(await findingsOf(at.page), [], name);
      }
    });
  }
});
