import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '../../src/config/config.ts';
import { examine } from '../../src/doctor/examine.ts';
import type { Check, Finding, Mark } from '../../src/doctor/finding.ts';
import { type Network, openNetwork } from '../../src/doctor/network.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { probeCallback } from '../../src/http/probe.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { freePort } from './free-port.ts';
import { CALLBACK_PATH, CLIENT, type Home, type HomeOptions, startHome } from './home.ts';
import { createRecordingLog } from './recording-log.ts';
import { isToDo } from './texts.ts';
import { startTlsServer, TLS_NAME } from './tls-server.ts';

export const PERSON = '1234';
export const CALLBACK_URL = `https://${TLS_NAME}${CALLBACK_PATH}`;

/** A set-up with nothing wrong: a public name that leads here, a trusted certificate, a person who is subscribed. */
export interface SetUp extends AsyncDisposable {
  readonly home: Home;
  readonly port: number;
  readonly tokens: string;
  readonly data: string;
  /** The settings of the daemon that belongs to it. */
  readonly env: Readonly<Record<string, string>>;
  /** The subscriptions at Withings. */
  subscriptions: readonly { readonly appli: number; readonly callbackurl: string; readonly comment: string | null }[];
  /** Examines the set-up in this process, with other settings, another network or another time. */
  examine(changes?: {
    readonly env?: Readonly<Record<string, string>>;
    readonly network?: Partial<Network>;
    readonly clock?: Clock;
  }): Promise<readonly Finding[]>;
}

export async function startSetUp(options: HomeOptions = {}): Promise<SetUp> {
  const setUp = { subscriptions: [{ appli: 1, callbackurl: CALLBACK_URL, comment: 'weighbridge' }] };
  const home = await startHome({
    limits: { callsPerMinute: 120, sameArgumentsMs: 0 },
    fault: ({ form }, answer) =>
      form.get('action') === 'list' && answer?.status === 0
        ? { text: JSON.stringify({ status: 0, body: { profiles: setUp.subscriptions } }) }
        : undefined,
    ...options,
  });
  await home.link(PERSON);
  const [tokens, data] = [join(home.directory, 'tokens'), join(home.directory, 'data')];
  await chmod(join(tokens, PERSON), 0o600);
  await mkdir(data, { mode: 0o700 });
  const port = await freePort();
  const tls = await startTlsServer('valid');
  const env = { PORT: `${port}`, CALLBACK_URL, TOKENS_DIR: tokens, DATA_DIR: data };

  const network: Network = {
    ...openNetwork(new AbortController().signal),
    resolve: async () => ['203.0.113.7'],
    certificateOf: (url) => tls.look(url, { trusted: true }),
    probe: (url, prove) => probeCallback(url.replace(`https://${TLS_NAME}`, `http://127.0.0.1:${port}`), prove),
  };

  return Object.assign(setUp, {
    home,
    port,
    tokens,
    data,
    env,
    async examine({ env: changed = {}, network: other = {}, clock = realClock }: Parameters<SetUp['examine']>[0] = {}) {
      const all = {
        WITHINGS_CLIENT_ID: CLIENT.clientId,
        WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
        WITHINGS_API_URL: home.sandbox.url.href,
        HOST: '127.0.0.1',
        STATUS_PORT: '0',
        ...env,
        ...changed,
      };
      const findings: Finding[] = [];
      const world = {
        service: undefined,
        platform: { version: process.version, architecture: process.arch },
        network: { ...network, ...other },
        clock,
        log: createRecordingLog(),
        signal: new AbortController().signal,
      };
      for await (const finding of examine(parseConfig(all), world)) findings.push(finding);
      return findings;
    },
    async [Symbol.asyncDispose]() {
      await tls[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  });
}

/** Asserts that one finding of this check has this mark, text and fix. Every finding that is not fine has a fix. */
export function assertFinding(
  findings: readonly Finding[],
  check: Check,
  mark: Mark,
  text: RegExp,
  remedy?: RegExp,
): Finding {
  const shown = JSON.stringify(findings, undefined, 1);
  const found = findings.find((each) => each.check === check && each.mark === mark && text.test(each.text));
  assert.ok(found, `nothing ${mark} of ${check} like ${text} in ${shown}`);
  if (remedy !== undefined) assert.match(found.remedy ?? '', remedy);
  for (const { mark: each, remedy: todo } of findings) {
    assert.equal(todo === undefined, each === 'ok', shown);
    // A wrong setting has an example.
    assert.ok(todo === undefined || isToDo(todo) || todo.startsWith('e.g. '), todo);
  }
  return found;
}

/** Asserts that only this check is broken. */
export function assertOnlyBroken(findings: readonly Finding[], ...checks: readonly Check[]): void {
  const broken = findings.filter(({ mark }) => mark === 'broken').map(({ check }) => check);
  assert.deepEqual(broken, checks, JSON.stringify(findings, undefined, 1));
}
