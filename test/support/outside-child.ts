import type { Finding } from '../../src/doctor/finding.ts';
import { browse, linkOf } from './browser.ts';
import { CALLBACK_PATH, startHome } from './home.ts';
import { type LocalAuthority, SITE } from './local-authority.ts';
import { startNameServer } from './name-server.ts';
import { type ProxyName, startProxy } from './proxy.ts';

/**
 * Runs a whole set-up in a network of its own; see `proxies.test.ts`. The proxy has the ports of its recipe, and a name
 * server leads to it. A person links behind it, weighs in, and runs the doctor. Withings and the browser use names and
 * TLS. Prints the result.
 */
export interface OutsideTask {
  readonly proxy: ProxyName;
  /** An empty one. */
  readonly directory: string;
  readonly authority: LocalAuthority;
  /** The address of the name. */
  readonly address: string;
}

export interface OutsideResult {
  readonly page: string;
  readonly weight: unknown;
  readonly caller: unknown;
  readonly findings: readonly Finding[];
}

const PERSON = '1234';

const { proxy, directory, authority, address }: OutsideTask = JSON.parse(process.argv[2] ?? '{}');
await using _names = await startNameServer(SITE, address);
await using _proxy = await startProxy(proxy, { directory, authority });
await using home = await startHome({ limits: { callsPerMinute: 120, sameArgumentsMs: 0 } });
const env = {
  HOST: '127.0.0.1',
  PORT: '3000',
  STATUS_PORT: '3001',
  CALLBACK_URL: `https://${SITE}${CALLBACK_PATH}`,
  NODE_EXTRA_CA_CERTS: authority.caFile,
};
await using daemon = await home.serve(env);
await using login = home.start({ ...env, LOG_FORMAT: 'text' }, ['login']);
const { text: page } = await browse(await linkOf(login));
await login.exited;
void home.sandbox.weigh(PERSON, { kilograms: 81.25, date: Math.floor(Date.now() / 1000) - 60 });
const { caller } = await daemon.line(({ event }) => event === 'notification');
const { weight } = await daemon.line(({ event }) => event === 'reading');
const { stdout } = await home.start(env, ['doctor', '--json']).exited;
const findings = stdout.split('\n').flatMap((line): Finding[] => (line === '' ? [] : [JSON.parse(line)]));
const result: OutsideResult = { page, weight, caller, findings };
process.stdout.write(`${JSON.stringify(result)}\n`);
