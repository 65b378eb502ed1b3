import { writeFile } from 'node:fs/promises';
import { obtainLogin } from '../../src/app/tokens/rotate-token.ts';
import type { TokenIssuer } from '../../src/domain/token.ts';
import { parseUserId } from '../../src/domain/token.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { createAccessFiles, createTokenFiles } from '../../src/storage/token-files.ts';
import { createWithingsClient } from '../../src/withings/client.ts';
import { createRateLimit } from '../../src/withings/rate-limit.ts';
import { watchFiles } from './watched-files.ts';

/**
 * Rotates a login once in another process, and then uses the access token for the first time; see `token-rule.test.ts`.
 * It kills itself, as a power cut would, right before the file operation `dieBefore` (counted from 0), or after the
 * answer of the refresh.
 */
export interface RotateTask {
  readonly apiUrl: string;
  readonly directory: string;
  readonly userId: string;
  readonly dieBefore?: number;
  readonly dieAfterRefresh?: boolean;
  /** Another program writes this to the token file right before the file operation `changeBefore`. */
  readonly changeBefore?: number;
  readonly changeTo?: string;
  /** The process rotates even if another process can share an access token. */
  readonly alone?: boolean;
}

async function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return await new Promise<never>(() => undefined);
}

const task: RotateTask = JSON.parse(process.argv[2] ?? '{}');
const { signal } = new AbortController();
const client = createWithingsClient({
  apiUrl: new URL(task.apiUrl),
  clientId: 'id',
  clientSecret: 'secret',
  rateLimit: createRateLimit({ clock: realClock, signal }),
  clock: realClock,
  signal,
});
let operations = 0;
const files = watchFiles(async (_operation, run) => {
  if (operations === task.changeBefore) await writeFile(`${task.directory}/${task.userId}`, `${task.changeTo}\n`);
  if (operations === task.dieBefore) await die();
  operations += 1;
  return await run();
});
const issuer: TokenIssuer = {
  ...client,
  async refresh(refreshToken, options) {
    const next = await client.refresh(refreshToken, options);
    if (task.dieAfterRefresh === true) await die();
    return next;
  },
};
const userId = parseUserId(task.userId);
if (userId === undefined) throw new Error('no user');

// The sandbox's guard is off, so there is nothing to wait for.
const clock = { ...realClock, sleep: async () => undefined };
const tokens = createTokenFiles(task.directory, files);
const shared = createAccessFiles(task.directory, files);
const accesses = task.alone ? { ...shared, load: async () => undefined } : shared;
const ports = { tokens, accesses, issuer, clock };
const { accessToken } = await obtainLogin(ports, userId, { urgent: true });
await client.getMeas({ userId, accessToken, query: { since: new Date('2026-11-20') }, urgent: true });
