import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { parseConfig } from '../../src/config/config.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { CLIENT } from './home.ts';

/**
 * Returns settings for a daemon in this process, with its files in the directory. The sandbox links the person 1234.
 */
export async function settingsFor(
  directory: string,
  sandbox: Pick<Sandbox, 'url' | 'grants'>,
  more: Readonly<Record<string, string>> = {},
) {
  const tokens = `${directory}/tokens`;
  await mkdir(tokens, { recursive: true });
  await writeFile(`${tokens}/1234`, sandbox.grants.link('1234'));
  const { config } = parseConfig({
    WITHINGS_CLIENT_ID: CLIENT.clientId,
    WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
    WITHINGS_API_URL: sandbox.url.href,
    TOKENS_DIR: tokens,
    DATA_DIR: `${directory}/data`,
    HOST: '127.0.0.1',
    PORT: '0',
    STATUS_PORT: '0',
    ...more,
  });
  assert(config?.withings.credentials !== undefined);
  return { ...config, withings: { ...config.withings, credentials: config.withings.credentials } };
}
