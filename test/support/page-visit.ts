import assert from 'node:assert/strict';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { PageView } from '../../src/page/view.ts';
import { complaintsOf } from './complaints.ts';
import { type PageServer, servePage } from './page-server.ts';

/** More than any machine needs, and less than a test may take. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 50;

/** Somebody looks at a page. At the end nobody may have complained. */
export interface Visit extends AsyncDisposable {
  readonly page: Page;
  readonly server: PageServer;
  /** Complaints that belong to the test are not held against the page. */
  readonly complaints: string[];
  /** The text of the first element of this selector. */
  text(selector: string): Promise<string>;
  /** What an expression is in the browser. */
  value(expression: string): Promise<unknown>;
  /** Waits until what is seen is as it should be; otherwise says what it was last. */
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
