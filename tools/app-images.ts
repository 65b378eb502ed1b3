import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findChromium, launchChromium, NO_BROWSER } from '../test/support/chromium.ts';
import { ROOT } from '../test/support/packed.ts';

/**
 * `npm run app-images` draws the icon and the logo of the app for Home Assistant, from the icon of the page. The sizes
 * are those of Home Assistant's documentation.
 */
const APP = join(ROOT, 'deploy/home-assistant-app');
const icon = await readFile(join(ROOT, 'src/page/static/icon.svg'), 'utf8');
/** The icon is larger, and without its own title. */
const at = (size: number) =>
  icon.replace('<svg ', `<svg width="${size}" height="${size}" `).replace(/<title>.*<\/title>/, '');
const FONT = `font: 600 34px 'DejaVu Sans', Verdana, sans-serif; letter-spacing: -1px`;
const IMAGES = [
  { name: 'icon.png', width: 128, height: 128, body: at(128) },
  {
    name: 'logo.png',
    width: 320,
    height: 100,
    body: `<div style="display: flex; height: 100px; align-items: center; gap: 14px; padding-left: 10px; ${FONT}; color: #8c4a25">${at(64)}weighbridge</div>`,
  },
];

const path = findChromium();
if (path === undefined) throw new Error(NO_BROWSER);
const browser = await launchChromium(path);
try {
  const page = await browser.newPage();
  for (const { name, width, height, body } of IMAGES) {
    await page.setViewportSize({ width, height });
    await page.setContent(`<body style="margin: 0">${body}</body>`);
    await writeFile(join(APP, name), await page.screenshot({ omitBackground: true }));
    process.stdout.write(`${join(APP, name)}\n`);
  }
} finally {
  await browser.close();
}
