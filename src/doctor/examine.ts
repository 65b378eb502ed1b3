import { isIP } from 'node:net';
import type { Config, Parsed } from '../config/config.ts';
import { isLoopback } from '../config/readers.ts';
import { type Core, createCore } from '../daemon/core.ts';
import type { Clock } from '../domain/clock.ts';
import { nameOf } from '../domain/household.ts';
import type { Log } from '../domain/log.ts';
import type { UserId } from '../domain/token.ts';
import { asTrouble, Trouble } from '../domain/trouble.ts';
import { reachable } from '../http/probe.ts';
import { createProof } from '../http/proof.ts';
import { createTokenFiles } from '../storage/token-files.ts';
import type { ServiceState } from '../systemd/control.ts';
import { judgeCallbackUrl } from './callback.ts';
import { judgeCertificate } from './certificate.ts';
import { checkClient } from './client.ts';
import { judgeClock } from './clock.ts';
import { standIn } from './daemon.ts';
import { checkDirectory, ofAnother, ownerBesideRoot } from './directory.ts';
import { checkDns } from './dns.ts';
import { type Finding, notChecked, warning } from './finding.ts';
import { judgeHead, judgeSilence } from './head.ts';
import { checkHealthz } from './health.ts';
import { checkHook } from './hook.ts';
import { checkFlock, judgeNode, type Platform } from './host.ts';
import { codeOf, type Network } from './network.ts';
import { checkBroker } from './publishers.ts';
import { judgeService } from './service.ts';
import { judgeSettings } from './settings.ts';
import { judgeSubscriptions } from './subscription.ts';
import { findingOf } from './trouble.ts';
import { checkLogin, checkTokenFile } from './withings.ts';

/** What a set-up stands in. */
export interface World {
  readonly platform: Platform;
  /** What systemd says of the service; undefined where there is none. */
  readonly service: ServiceState | undefined;
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends whatever waits. */
  readonly signal: AbortSignal;
}

interface Patient extends World {
  readonly config: Config;
  /** Whether one of these settings cannot be read, so that what depends on it cannot be looked at. */
  readonly isWrong: (...names: readonly string[]) => boolean;
}

/** Looks at everything a set-up can get wrong, one finding after the other, as each is found. */
export async function* examine(parsed: Parsed, world: World): AsyncGenerator<Finding, void> {
  const isWrong = (...names: readonly string[]) => parsed.problems.some(({ name }) => names.includes(name));
  const patient = { ...world, config: parsed.readable, isWrong };
  yield* judgeSettings(parsed);
  yield judgeNode(world.platform);
  yield await checkFlock();
  yield* judgeService(world.service);
  const core = yield* examineWithings(patient);
  for (const check of ['tokens', 'data'] as const) yield* await examineDirectory(patient, check);
  const { hook, mqtt } = patient.config;
  if (hook !== undefined) yield await checkHook(hook);
  if (mqtt !== undefined) yield await checkBroker(mqtt, world.signal);
  yield* examineCallback(patient);
  yield* examinePeople(patient, core);
}

/** Returns what it takes to ask Withings more; nothing where that would tell nothing new. */
async function* examineWithings(patient: Patient): AsyncGenerator<Finding, Core | undefined> {
  const { config, network, clock, log, signal } = patient;
  const { apiUrl, credentials } = config.withings;
  if (patient.isWrong('WITHINGS_API_URL')) {
    yield judgeClock(clock.now(), undefined);
    yield notChecked('client', 'WITHINGS_API_URL cannot be read');
    return undefined;
  }
  const { time, error } = await timeAt(network, apiUrl);
  yield judgeClock(clock.now(), time);
  if (credentials === undefined) {
    yield notChecked('client', 'WITHINGS_CLIENT_ID or WITHINGS_CLIENT_SECRET is missing');
    return undefined;
  }
  if (error !== undefined) {
    yield findingOf('client', unreachable(apiUrl, error));
    return undefined;
  }
  const core = createCore({ ...config, withings: { ...config.withings, credentials } }, log, { clock, signal });
  const finding = await checkClient(() => core.client.checkCredentials());
  yield finding;
  return finding.mark === 'broken' ? undefined : core;
}

async function timeAt(
  network: Network,
  url: URL,
): Promise<{ readonly time?: Date | undefined; readonly error?: string }> {
  try {
    return { time: await network.timeAt(url) };
  } catch (error) {
    return { error: codeOf(error) };
  }
}

function unreachable({ host }: URL, code: string): Trouble {
  return new Trouble(`cannot reach ${host} (${code})`, { code: 'unreachable', recovery: 'retry' });
}

async function examineDirectory({ config, isWrong }: Patient, check: 'tokens' | 'data'): Promise<readonly Finding[]> {
  if (isWrong(check === 'tokens' ? 'TOKENS_DIR' : 'DATA_DIR')) return [];
  return await checkDirectory({ check, path: config.directories[check] });
}

async function* examineCallback(patient: Patient): AsyncGenerator<Finding, void> {
  const { config, isWrong } = patient;
  const { url } = config.callback;
  const sandbox = isLoopback(config.withings.apiUrl.hostname);
  if (url !== undefined) yield* judgeCallbackUrl(url, { sandbox });
  else if (!isWrong('CALLBACK_URL')) yield NO_CALLBACK_URL;
  const isThere = url !== undefined && (yield* examineWayIn(patient, new URL(url)));
  yield* examineAnswer(patient, isThere ? url : undefined);
}

const NO_CALLBACK_URL = warning(
  'callback',
  'CALLBACK_URL is not set: Withings cannot know where to call',
  'make one up (README, "An application at Withings"), enter it in the partner dashboard, and set it here',
);

/** Name and certificate. Returns whether asking for more makes sense. */
async function* examineWayIn({ network, clock }: Patient, url: URL): AsyncGenerator<Finding, boolean> {
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

/** Who answers: on this machine, and at the callback URL where it is given. */
async function* examineAnswer(patient: Patient, url: string | undefined): AsyncGenerator<Finding, void> {
  const { config, network, clock, log, isWrong } = patient;
  const { callback, listen, status, withings } = config;
  if (withings.credentials === undefined || isWrong('HOST', 'PORT', 'WEBHOOK_PATH', 'CALLBACK_URL')) {
    yield notChecked('daemon', 'without the settings above nobody can tell which weighbridge answers');
    return;
  }
  const prove = createProof(withings.credentials.clientSecret);
  await using someone = await standIn({ ...listen, ...callback, prove, probe: network.probe, clock, log });
  yield someone.finding;
  if (someone.isDaemon && status.port !== undefined && !isWrong('STATUS_HOST', 'STATUS_PORT', 'STATUS_PASSWORD')) {
    yield await checkHealthz(`http://${reachable(status.host)}:${status.port}/healthz`, network.statusOf);
  }
  if (url === undefined || !someone.answers) return;
  yield judgeHead(await network.probe(url, prove), { url, port: listen.port });
}

async function* examinePeople(patient: Patient, core: Core | undefined): AsyncGenerator<Finding, void> {
  const { config, isWrong } = patient;
  const { tokens: directory } = config.directories;
  if (isWrong('TOKENS_DIR', 'DATA_DIR')) return;
  const tokens = createTokenFiles(directory);
  const users = await tokens.list().catch(() => undefined);
  if (users === undefined) {
    yield notChecked('login', 'there is no tokens directory that can be read');
    return;
  }
  if (users.length === 0) yield warning('login', 'nobody is linked yet', '"weighbridge login" links somebody');
  const owner = await ownerBesideRoot(directory);
  const obstacle = owner === undefined ? 'Withings cannot be asked' : ofAnother(directory, owner);
  for (const userId of users.sort((one, other) => Number(one) - Number(other))) {
    const name = nameOf(userId, config.people);
    if (core === undefined || owner !== undefined)
      yield await checkTokenFile(name, () => tokens.load(userId), obstacle);
    else yield* examinePerson(patient, core, userId);
  }
}

async function* examinePerson({ config }: Patient, core: Core, userId: UserId): AsyncGenerator<Finding, void> {
  const name = nameOf(userId, config.people);
  const person = await core.personStates.of(userId);
  const login = await checkLogin(name, () => core.obtainLogin(userId), person);
  yield login;
  const { url: callbackUrl } = config.callback;
  if (login.mark === 'broken' || callbackUrl === undefined || core.callback === undefined) return;
  const { subscriptions } = core.callback;
  const { applis } = config.withings;
  try {
    const list = await listPatiently(() => subscriptions.list(userId, { urgent: true }));
    const hitch = person.subscription?.hitch?.reason;
    yield judgeSubscriptions(list, { userId, name, callbackUrl, applis, hitch, isLeft: person.leaveUnsubscribed });
  } catch (error) {
    yield findingOf('subscription', asTrouble(error), `${name}: `);
  }
}

/** Withings refuses what it was asked less than 10 s ago, by the daemon or by the doctor before this one. */
async function listPatiently<T>(list: () => Promise<T>): Promise<T> {
  try {
    return await list();
  } catch (error) {
    if (!/same arguments/i.test(asTrouble(error).message)) throw error;
    return await list();
  }
}
