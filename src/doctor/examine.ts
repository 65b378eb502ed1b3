import { isIP } from 'node:net';
import type { Config, Parsed } from '../config/config.ts';
import { isLoopback } from '../config/readers.ts';
import { type Core, createCore } from '../daemon/core.ts';
import type { Clock } from '../domain/clock.ts';
import { nameOf } from '../domain/household.ts';
import type { Log } from '../domain/log.ts';
import { describePolling, isPolled } from '../domain/status.ts';
import type { UserId } from '../domain/token.ts';
import { asTrouble } from '../domain/trouble.ts';
import { createProof, reachable } from '../http/probe.ts';
import { createTokenFiles } from '../storage/token-files.ts';
import type { ServiceState } from '../systemd/control.ts';
import { checkDns, judgeCallbackUrl, judgeCertificate, judgeHead, judgeSilence } from './callback.ts';
import { checkHealthz, standIn } from './daemon.ts';
import { checkDirectory, lookAtNames, ofAnother, ownerBesideRoot } from './directory.ts';
import { codeOf, type Finding, findingOf, notChecked, ok, warning } from './finding.ts';
import { checkFlock, judgeClock, judgeNode, judgeService, judgeSettings, type Platform } from './host.ts';
import type { Network } from './network.ts';
import { checkBroker, checkHook } from './publishers.ts';
import { checkClient, checkLogin, checkTokenFile, judgeSubscriptions } from './withings.ts';

/** The surroundings of a set-up. */
export interface World {
  readonly platform: Platform;
  /** systemd's report about the service; undefined if it is not installed. */
  readonly service: ServiceState | undefined;
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends everything that waits. */
  readonly signal: AbortSignal;
}

/** The tools for checks of the way in. */
type Way = Pick<World, 'network' | 'clock' | 'log'>;

interface WayIn extends Way {
  readonly config: Config;
  /** Whether one of these settings is unreadable, so that checks that depend on it are impossible. */
  readonly isWrong: (...names: readonly string[]) => boolean;
}

type SetUp = World & WayIn;

function wrongSettings({ problems }: Parsed): WayIn['isWrong'] {
  return (...names) => problems.some(({ name }) => names.includes(name));
}

/** Checks everything in a set-up that can be wrong, and yields each finding at once. */
export async function* examine(parsed: Parsed, world: World): AsyncGenerator<Finding, void> {
  const config = parsed.readable;
  const isWrong = wrongSettings(parsed);
  const setUp = { ...world, config, isWrong };
  yield* judgeSettings(parsed);
  yield judgeNode(world.platform);
  yield await checkFlock();
  yield* judgeService(world.service);
  const core = yield* examineWithings(setUp);
  const { tokens, data } = config.directories;
  if (!isWrong('TOKENS_DIR')) yield* await checkDirectory({ check: 'tokens', path: tokens });
  if (!isWrong('TOKENS_DIR')) yield* await lookAtNames(config.directories, config.people).catch(() => []);
  if (!isWrong('DATA_DIR')) yield* await checkDirectory({ check: 'data', path: data });
  if (config.hook !== undefined) yield await checkHook(config.hook);
  if (config.mqtt !== undefined) yield* await checkBroker(config.mqtt, world.signal);
  yield* examineCallback(parsed, world);
  yield* examinePeople(setUp, core);
}

/** Whether Withings accepts the client and can reach this computer, while the daemon runs in this process. */
export async function* examineReach(parsed: Parsed, world: World): AsyncGenerator<Finding, void> {
  yield* examineWithings({ ...world, config: parsed.readable, isWrong: wrongSettings(parsed) });
  for await (const finding of examineCallback(parsed, world)) if (finding.check !== 'daemon') yield finding;
}

/** Returns the tools for further calls to Withings, or nothing if they would find nothing more. */
async function* examineWithings(setUp: SetUp): AsyncGenerator<Finding, Core | undefined> {
  const { config, isWrong, network, clock, log, signal } = setUp;
  const { apiUrl, credentials } = config.withings;
  if (isWrong('WITHINGS_API_URL')) {
    yield judgeClock(clock.now(), undefined);
    yield notChecked('client', 'WITHINGS_API_URL cannot be read');
    return undefined;
  }
  const asked = await network.timeAt(apiUrl).then(
    (time) => ({ time, error: undefined }),
    (error) => ({ time: undefined, error: codeOf(error) }),
  );
  yield judgeClock(clock.now(), asked.time);
  if (credentials === undefined) {
    yield notChecked('client', 'WITHINGS_CLIENT_ID or WITHINGS_CLIENT_SECRET is missing');
    return undefined;
  }
  if (asked.error !== undefined) {
    const message = `cannot reach ${apiUrl.host} (${asked.error})`;
    yield findingOf('client', { code: 'unreachable', recovery: 'retry', message, hint: undefined });
    return undefined;
  }
  const core = createCore({ ...config, withings: { ...config.withings, credentials } }, log, { clock, signal });
  const finding = await checkClient(() => core.client.checkCredentials());
  yield finding;
  return finding.mark === 'broken' ? undefined : core;
}

/** Whether Withings can reach this computer. */
export async function* examineCallback(parsed: Parsed, world: Way): AsyncGenerator<Finding, void> {
  const config = parsed.readable;
  const isWrong = wrongSettings(parsed);
  const setUp = { ...world, config, isWrong };
  const { url } = config.callback;
  if (url === undefined) {
    if (!isWrong('CALLBACK_URL'))
      yield ok('callback', `${describePolling(config.pollIntervalMs)}: CALLBACK_URL is not set`);
    return yield* examineAnswer(setUp, undefined);
  }
  yield* judgeCallbackUrl(url, { sandbox: isLoopback(config.withings.apiUrl.hostname) });
  const isThere = yield* examineWayIn(setUp, new URL(url));
  yield* examineAnswer(setUp, isThere ? url : undefined);
}

/** Checks name and certificate. Returns whether further checks make sense. */
async function* examineWayIn({ network, clock }: WayIn, url: URL): AsyncGenerator<Finding, boolean> {
  const { hostname, protocol } = url;
  if (!isLoopback(hostname) && isIP(hostname.replace(/^\[|\]$/g, '')) === 0) {
    const { finding, found } = await checkDns(hostname, network.resolve);
    yield finding;
    if (!found) return false;
  }
  if (protocol !== 'https:') return true;
  try {
    const finding = judgeCertificate(await network.certificateOf(url), clock.now());
    yield finding;
    return finding.mark !== 'broken';
  } catch (error) {
    yield judgeSilence(codeOf(error));
    return false;
  }
}

/** Checks the answer on this machine, and at the callback URL if it is given. */
async function* examineAnswer(setUp: WayIn, url: string | undefined): AsyncGenerator<Finding, void> {
  const { config, network, clock, log, isWrong } = setUp;
  const { callback, listen, status, withings } = config;
  if (withings.credentials === undefined || isWrong('HOST', 'PORT', 'WEBHOOK_PATH', 'CALLBACK_URL')) {
    yield notChecked('daemon', 'needs the settings above');
    return;
  }
  const prove = createProof(withings.credentials.clientSecret);
  await using local = await standIn({ ...listen, ...callback, prove, probe: network.probe, clock, log });
  yield local.finding;
  const hasStatus = status.port !== undefined && !isWrong('STATUS_HOST', 'STATUS_PORT', 'STATUS_PASSWORD');
  if (local.answers === 'daemon' && hasStatus) {
    yield await checkHealthz(`http://${reachable(status.host)}:${status.port}/healthz`, network.statusOf);
  }
  if (url === undefined || local.answers === undefined) return;
  yield judgeHead(await network.probe(url, prove), { url, port: listen.port });
}

async function* examinePeople({ config, isWrong }: SetUp, core: Core | undefined): AsyncGenerator<Finding, void> {
  const { tokens: directory } = config.directories;
  if (isWrong('TOKENS_DIR', 'DATA_DIR')) return;
  const tokens = createTokenFiles(directory);
  const users = await tokens.list().catch(() => undefined);
  if (users === undefined) {
    yield notChecked('login', 'cannot read the tokens directory');
    return;
  }
  if (users.length === 0) yield nobodyLinked(config);
  const owner = await ownerBesideRoot(directory);
  const obstacle = owner === undefined ? 'Withings cannot be asked' : ofAnother(directory, owner);
  for (const userId of users.sort((one, other) => Number(one) - Number(other))) {
    if (core !== undefined && owner === undefined) yield* examinePerson(config, core, userId);
    else yield await checkTokenFile(nameOf(userId, config.people), () => tokens.load(userId), obstacle);
  }
}

function nobodyLinked({ callback: { redirectUrl } }: Config): Finding {
  const first = redirectUrl === undefined ? 'Set REDIRECT_URL (see docs/exposing.md). Then run' : 'Run';
  return warning('login', 'no person is linked yet', `${first} "weighbridge login".`);
}

async function* examinePerson(config: Config, core: Core, userId: UserId): AsyncGenerator<Finding, void> {
  const name = nameOf(userId, config.people);
  const person = await core.personStates.of(userId);
  const login = await checkLogin(name, () => core.obtainLogin(userId), person, config.withings.applis);
  yield login;
  const { url: callbackUrl } = config.callback;
  const subscriptions = core.callback?.subscriptions;
  if (login.mark === 'broken' || callbackUrl === undefined || subscriptions === undefined) return;
  const { applis } = config.withings;
  const list = () => subscriptions.list(userId, { urgent: true });
  try {
    const subscribed = await list().catch((error) => {
      // Withings refuses the same call within 10 s, after the daemon's or an earlier doctor's. The next call waits.
      if (asTrouble(error).code === 'same_arguments') return list();
      throw error;
    });
    const hitch = person.subscription?.hitch?.reason;
    yield judgeSubscriptions(subscribed, {
      userId,
      name,
      callbackUrl,
      applis,
      hitch,
      isLeft: person.leaveUnsubscribed,
      pollMs: isPolled(person, true) ? config.pollIntervalMs : undefined,
    });
  } catch (error) {
    yield findingOf('subscription', asTrouble(error), `${name}: `);
  }
}
