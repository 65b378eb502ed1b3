import type { Clock } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type {
  Consent,
  ConsentRequest,
  Linked,
  LinkFailed,
  LinkOutcome,
  Redirect,
  UsedLinks,
} from '../../domain/link.ts';
import type { Log } from '../../domain/log.ts';
import type { MeasureSource } from '../../domain/measure.ts';
import { counts, type Journal, toReading, type WeighIn, weightOf } from '../../domain/reading.ts';
import { retry, WHILE_WAITED_FOR } from '../../domain/retry.ts';
import { lackOf, missingScopes } from '../../domain/scope.ts';
import type { TokenIssuer, TokenStore, UserId } from '../../domain/token.ts';
import { asTrouble, explain } from '../../domain/trouble.ts';
import type { PersonStates } from '../status/person-states.ts';
import type { Subscriptions } from '../subscribe/subscriptions.ts';
import type { AccessTokens, WithAccess } from '../tokens/access-tokens.ts';
import {
  CODE_USED,
  DENIED,
  refused,
  STATE_EXPIRED,
  STATE_FORGED,
  STATE_MISSING,
  translate,
  UNEXPECTED,
} from './link-failures.ts';

const DAY_MS = 24 * 3_600_000;
/** How many days back to look for the last weigh-in of a person who was not on the scale lately. */
const LOOK_BACK_DAYS = [30, 400];
/** One link may need a second try, for a code is valid for 30 s. A person does not try more often than this. */
const MOST_CODES = 10;

/** Turns consents into logins. */
export interface Linker extends AsyncDisposable {
  /**
   * Takes the browser's redirect: exchanges the code at once and never twice. The same code gets the same outcome.
   *
   * @param patience ends the waiting with `working`, not the work
   */
  link(redirect: Redirect, patience: Promise<void>): Promise<LinkOutcome | 'working'>;
}

/** The process around the linker. */
export interface LinkerHost {
  /** Fetches new groups into the journal. */
  readonly fetch: (userId: UserId) => Promise<void>;
  /** The subscription did not work at once. */
  readonly onHitch?: (userId: UserId) => void;
  /** Called with every outcome and the id of the link, even if the browser no longer waits for it. */
  readonly onOutcome?: (id: string, outcome: LinkOutcome) => void;
  readonly isDaemon: boolean;
}

/** The state of one link. */
interface Consented {
  readonly expiresAt: Date;
  readonly codes: Set<string>;
  /** The newest code, and its outcome once there is one. */
  attempt: { readonly code: string; readonly work: Promise<LinkOutcome>; outcome: LinkOutcome | undefined } | undefined;
  /** The browser has shown the outcome. */
  isTold: boolean;
}

export interface LinkerPorts extends LinkerHost {
  readonly consent: Consent;
  /** The redirect URL, exactly as in the consent link. */
  readonly redirectUri: string;
  readonly usedLinks: UsedLinks;
  readonly issuer: Pick<TokenIssuer, 'exchange'>;
  readonly tokens: Pick<TokenStore, 'load'>;
  readonly accessTokens: AccessTokens;
  /** Undefined if Withings cannot send notifications: weighbridge polls. */
  readonly subscriptions: Pick<Subscriptions, 'repair' | 'leave'> | undefined;
  /** The categories of the wanted notifications, so that a missing scope is reported. */
  readonly applis: readonly number[];
  readonly withAccess: WithAccess;
  readonly measures: MeasureSource;
  readonly journal: Pick<Journal, 'lastWeighIn'>;
  readonly personStates: PersonStates;
  readonly people: People;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export function createLinker(ports: LinkerPorts): Linker {
  const { consent, usedLinks, personStates, people, clock, log, signal } = ports;
  const consented = new Map<string, Consented>();
  const working = new Set<Promise<unknown>>();

  const remember = ({ id, expiresAt }: ConsentRequest): Consented => {
    const now = clock.now();
    for (const [old, { expiresAt: end }] of consented) if (end < now) consented.delete(old);
    const known = consented.get(id) ?? { expiresAt, codes: new Set(), attempt: undefined, isTold: false };
    consented.set(id, known);
    return known;
  };

  const explainFailure = (error: unknown) =>
    translate(asTrouble(error), ports.subscriptions === undefined ? 'REDIRECT_URL' : 'CALLBACK_URL');

  const exchange = async (code: string, request: ConsentRequest): Promise<LinkOutcome> => {
    try {
      const login = await ports.issuer.exchange(code, ports.redirectUri);
      const { userId } = login;
      // This comes before the login counts: a used link links no other person, even after a power cut.
      const claimed = await usedLinks.claim(request.id, userId);
      if (claimed !== 'claimed') return { kind: 'already', userId: claimed };
      const again = (await ports.tokens.load(userId).catch(() => undefined)) !== undefined;
      await ports.accessTokens.adopt(login).catch(async (error) => {
        // The disk may fail after the login is stored.
        const stored = await ports.tokens.load(userId).catch(() => login.refreshToken);
        if (stored !== login.refreshToken) await usedLinks.release(request.id);
        throw error;
      });
      const linked = { linkedAt: clock.now(), linkedBy: request.id, needsLogin: undefined };
      let isRepair = false;
      await personStates.change(userId, (before) => {
        isRepair = before.needsLogin !== undefined;
        return { ...before, ...linked, scope: login.scope };
      });
      log.info({ event: 'linked', text: `${nameOf(userId, people)} is linked`, userid: userId, again });
      const { subscribe } = request;
      const switchLink = again && !isRepair ? consent.switchAccount({ subscribe }) : undefined;
      const missing = missingScopes(login.scope, ports.applis);
      const lack = missing.length > 0 && lackOf(missing);
      const welcomed = await welcome(userId, subscribe);
      const hitches = lack ? [explain(lack)] : [];
      return { ...welcomed, hitches: [...new Set([...hitches, ...welcomed.hitches])], again, switchLink };
    } catch (error) {
      return explainFailure(error);
    }
  };

  /** The login is stored. Trouble from here on costs nothing. */
  const welcome = async (userId: UserId, subscribe: boolean): Promise<Omit<Linked, 'again' | 'switchLink'>> => {
    const hitches: string[] = [];
    const attempt = async (work: () => Promise<void>) => {
      try {
        await retry(work, { clock, signal, ...WHILE_WAITED_FOR });
        return true;
      } catch (error) {
        const trouble = asTrouble(error);
        const text = `${nameOf(userId, people)}: ${explain(trouble)}`;
        log.warn({ event: 'trouble', text, code: trouble.code, userid: userId });
        hitches.push(trouble.code === 'defect' ? UNEXPECTED : explain(trouble));
        return false;
      }
    };
    let lastWeighIn: WeighIn | undefined;
    const { subscriptions } = ports;
    const subscribing = subscribe
      ? attempt(async () => subscriptions?.repair(userId, { urgent: true }))
      : subscriptions?.leave(userId).then(() => false);
    const fetching = attempt(async () => {
      await ports.fetch(userId);
      lastWeighIn = ports.journal.lastWeighIn(userId) ?? (await lookBack(userId));
    });
    const [isSubscribed] = await Promise.all([subscribing, fetching]);
    if (subscribe && !isSubscribed) ports.onHitch?.(userId);
    const subscribed = subscriptions === undefined ? 'polling' : !subscribe ? 'later' : isSubscribed ? 'yes' : 'no';
    return { kind: 'linked', userId, lastWeighIn, hitches, subscribed, isDaemon: ports.isDaemon };
  };

  /** This weigh-in is shown but not journalled: a new link does not announce the person's history. */
  const lookBack = async (userId: UserId): Promise<WeighIn | undefined> => {
    for (const days of LOOK_BACK_DAYS) {
      const end = clock.now();
      const query = { window: { start: new Date(end.getTime() - days * DAY_MS), end } };
      const { groups } = await ports.withAccess(userId, { urgent: true }, (account) =>
        ports.measures.getMeas({ ...account, query }),
      );
      const weighIn = groups.map((group) => toReading(userId, group)).findLast(isWeighIn);
      if (weighIn !== undefined) return { kilograms: weightOf(weighIn) ?? 0, takenAt: weighIn.takenAt };
    }
    return undefined;
  };

  const begin = (code: string, request: ConsentRequest, known: Consented) => {
    const work = exchange(code, request);
    const attempt: Consented['attempt'] = { code, work, outcome: undefined };
    known.codes.add(code);
    known.attempt = attempt;
    known.isTold = false;
    working.add(work);
    void work.then((outcome) => {
      working.delete(work);
      attempt.outcome = outcome;
      if (outcome.kind === 'failed') {
        const text = `linking failed: ${outcome.problem} ${outcome.remedy}`;
        log.warn({ event: 'link_failed', text, code: outcome.code });
      }
      ports.onOutcome?.(request.id, outcome);
    });
  };

  /** The state of the browser's link. Starts the work for this code if allowed. */
  const enter = (code: string, request: ConsentRequest): Consented | LinkOutcome | 'working' => {
    const known = remember(request);
    const { attempt } = known;
    const isSame = attempt?.code === code;
    if (attempt?.outcome?.kind === 'linked' && (known.isTold || !isSame)) {
      return { kind: 'already', userId: attempt.outcome.userId };
    }
    if (isSame) return known;
    // Another code of the same link waits for the outcome of the first.
    if (attempt !== undefined && attempt.outcome === undefined) return 'working';
    if (known.codes.has(code)) return CODE_USED;
    if (known.codes.size >= MOST_CODES) return STATE_EXPIRED;
    begin(code, request, known);
    return known;
  };

  const admit = async (code: string, request: ConsentRequest) => {
    try {
      const userId = await usedLinks.userOf(request.id);
      const { attempt } = consented.get(request.id) ?? {};
      const isOurs = attempt !== undefined && (attempt.outcome === undefined || attempt.outcome.kind === 'linked');
      // Otherwise another process linked the person, or this one did before a restart.
      return userId === undefined || isOurs ? enter(code, request) : { kind: 'already' as const, userId };
    } catch (error) {
      return explainFailure(error);
    }
  };

  return {
    async link(redirect, patience) {
      const asked = readRedirect(redirect, consent);
      const admitted = 'kind' in asked ? asked : await admit(asked.code, asked.request);
      if (admitted === 'working') return 'working';
      if ('kind' in admitted) {
        if (admitted.kind === 'failed')
          log.debug({ event: 'link_refused', text: admitted.problem, code: admitted.code });
        return admitted;
      }
      const outcome = await Promise.race([admitted.attempt?.work, patience.then(() => undefined)]);
      if (outcome === undefined) return 'working';
      admitted.isTold = true;
      return outcome;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(working);
    },
  };
}

function isWeighIn(reading: Parameters<typeof weightOf>[0]): boolean {
  return weightOf(reading) !== undefined && counts(reading);
}

/** The code and its request, or the reason why there is none. */
function readRedirect(
  { code, state, error }: Redirect,
  consent: Consent,
): { readonly code: string; readonly request: ConsentRequest } | LinkFailed {
  if (error !== undefined) return error === 'access_denied' ? DENIED : refused(error);
  if (state === undefined || code === undefined) return STATE_MISSING;
  const request = consent.read(state);
  if (request === 'forged') return STATE_FORGED;
  if (request === 'expired') return STATE_EXPIRED;
  return { code, request };
}
