import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const USUAL_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser of this machine, if any: `CHROMIUM_PATH`, or where it usually is. */
export function findChromium(): string | undefined {
  const { CHROMIUM_PATH } = process.env;
  return [...(CHROMIUM_PATH ? [CHROMIUM_PATH] : []), ...USUAL_PATHS].find((path) => existsSync(path));
}

export const NO_BROWSER = 'no Chromium on this machine (apt install chromium, or set CHROMIUM_PATH)';

/** The browser sends no request to the internet. */
export function launchChromium(executablePath: string, more: readonly string[] = []): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    ...more,
  ];
  return chromium.launch({ executablePath, args, timeout: 120_000 });
}
