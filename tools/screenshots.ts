import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findChromium, launchChromium, NO_BROWSER } from '../test/support/chromium.ts';
import { ROOT } from '../test/support/packed.ts';
import { startProgram } from '../test/support/program.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';

/**
 * `npm run screenshots` makes the pictures of the status page in README.md, light and dark, from the demo. Run it after
 * every change of the page.
 */
const IMAGES = join(ROOT, 'docs/images');
const SIZE = { width: 1200, height: 860 };

const chromium = findChromium();
if (chromium === undefined) throw new Error(NO_BROWSER);
await using directory = await temporaryDirectory();
await using demo = startProgram(['demo', '--json'], { cwd: directory.path, env: { TMPDIR: directory.path } });
const { private: bound } = await demo.line(({ event }) => event === 'listening');
// The first weigh-in is on the page then.
await demo.line(({ event }) => event === 'reading');
await using browser = await launchChromium(chromium);
await mkdir(IMAGES, { recursive: true });
for (const colorScheme of ['light', 'dark'] as const) {
  await using context = await browser.newContext({ colorScheme, viewport: SIZE, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${(bound as { readonly port: number }).port}/`);
  await page.locator('svg [class*="trend"]').first().waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  const path = join(IMAGES, `status-page-${colorScheme}.png`);
  await page.screenshot({ path });
  process.stdout.write(`${path}\n`);
}
