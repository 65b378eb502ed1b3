import assert from 'node:assert/strict';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { PageView } from '../../src/page/view.ts';
import { complaintsOf } from './complaints.ts';
import { type PageServer, servePage } from './page-server.ts';

/** The limit is longer than any machine needs, and shorter than the limit of a test. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 50;

/** A visit of a page, which must end without browser errors. */
export interface Visit extends AsyncDisposable {
  readonly page: Page;
  readonly server: PageServer;
  /** The test can remove expected errors from this list. */
  readonly complaints: string[];
  /** The text of the first element of this selector. */
  text(selector: string): Promise<string>;
  /** Evaluates an expression in the browser. */
  value(expression: string): Promise<unknown>;
  /** Waits until the value is the expected one. The failure has the last value. */
  until(look: () => Promise<unknown>, expected: unknown): Promise<void>;
}

export async function visit(browser: Browser, view: PageView, options: BrowserContextOptions = {}): Promise<Visit> {
  const server = await servePage(view);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  await page.goto(server.url);
  return {
    page,
    server,
    complaints,
    text: async (selector) => ((await page.locator(selector).first().textContent()) ?? '').replace(/\s+/g, ' ').trim(),
    value: (expression) => page.evaluate(expression),
    async until(look, expected) {
      const endsAt = performance.now() + PATIENCE_MS;
      for (;;) {
        const seen = await look();
        const isThere = expected instanceof RegExp ? expected.test(String(seen)) : seen === expected;
        if (isThere) return;
        assert.ok(performance.now() < endsAt, `waited for ${expected}, and saw ${seen}`);
        await page.waitForTimeout(LOOK_MS);
      }
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      await server[Symbol.asyncDispose]();
      assert.deepEqual(complaints, []);
    },
  };
}
