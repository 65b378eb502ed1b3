import type { Clock } from '../domain/clock.ts';
import type { Consent, ConsentRequest, Linked, LinkFailed, LinkOutcome, Redirect } from '../domain/link.ts';
import type { Log } from '../domain/log.ts';
import type { MeasureSource } from '../domain/measure.ts';
import { nameOf, type People } from '../domain/people.ts';
import { isAnnounced, type Journal, toReading, type WeighIn, weightOf } from '../domain/reading.ts';
import type { TokenIssuer, TokenStore, UserId } from '../domain/token.ts';
import { asTrouble, explain, type Trouble } from '../domain/trouble.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { Records } from './records.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { WithAccess } from './with-access.ts';

const DAY_MS = 24 * 3_600_000;
/** Where to look for the last weigh-in of somebody who has not been on the scale lately. */
const LOOK_BACK_DAYS = [30, 400];
/** One link may need a second try, for a code is good for 30 s; more often than this nobody is that slow. */
const MOST_CODES = 10;

/** Turns consents into logins. */
export interface Linker extends AsyncDisposable {
  /**
   * Takes what the browser brings back: the code is exchanged at once and never twice. Whoever brings the same again
   * while it is being worked on waits for the same outcome; afterwards the link has been used.
   *
   * @param patience ends the waiting with `working`, not the work
   */
  link(redirect: Redirect, patience: Promise<void>): Promise<LinkOutcome | 'working'>;
}

interface Consented {
  readonly expiresAt: Date;
  readonly codes: Set<string>;
  running: { readonly code: string; readonly outcome: Promise<LinkOutcome> } | undefined;
  /** It has led to a login, and somebody has been told. */
  used: boolean;
}

export interface LinkerPorts {
  readonly consent: Consent;
  /** The callback URL, letter by letter as the consent link names it. */
  readonly redirectUri: string;
  readonly issuer: Pick<TokenIssuer, 'exchange'>;
  readonly tokens: Pick<TokenStore, 'load'>;
  readonly accessTokens: AccessTokens;
  readonly subscriptions: Pick<Subscriptions, 'heal'>;
  readonly withAccess: WithAccess;
  readonly measures: MeasureSource;
  /** Fetches what is new into the journal. */
  readonly fetch: (userId: UserId) => Promise<void>;
  readonly journal: Pick<Journal, 'lastWeighIn'>;
  readonly records: Records;
  readonly people: People;
  readonly clock: Clock;
  readonly log: Log;
}

export function createLinker(ports: LinkerPorts): Linker {
  const { consent, redirectUri, issuer, tokens, accessTokens, subscriptions, records, people, clock, log } = ports;
  const consented = new Map<string, Consented>();
  const working = new Set<Promise<unknown>>();

  const remember = ({ id, expiresAt }: ConsentRequest): Consented => {
    const now = clock.now();
    for (const [old, { expiresAt: end }] of consented) if (end < now) consented.delete(old);
    const known = consented.get(id) ?? { expiresAt, codes: new Set(), running: undefined, used: false };
    consented.set(id, known);
    return known;
  };

  const exchange = async (code: string, request: ConsentRequest): Promise<LinkOutcome> => {
    try {
      const login = await issuer.exchange(code, redirectUri);
      const { userId } = login;
      const again = (await tokens.load(userId).catch(() => undefined)) !== undefined;
      await accessTokens.adopt(login);
      const linkedAt = clock.now();
      await records.change(userId, (before) => ({ ...before, linkedAt, linkedBy: request.id, needsLogin: undefined }));
      log.info({ event: 'linked', text: `${nameOf(userId, people)} is linked`, userid: userId, again });
      return await welcome(userId, again, request.subscribe);
    } catch (error) {
      const trouble = asTrouble(error);
      log.warn({ event: 'link_failed', text: `linking failed: ${trouble.message}`, code: trouble.code });
      return translate(trouble);
    }
  };

  /** The login is safe; whatever goes wrong from here on mends itself. */
  const welcome = async (userId: UserId, again: boolean, subscribe: boolean): Promise<Linked> => {
    const hitches: string[] = [];
    const attempt = async (work: () => Promise<void>) => {
      try {
        await work();
        return true;
      } catch (error) {
        hitches.push(explain(asTrouble(error)));
        return false;
      }
    };
    let lastWeighIn: WeighIn | undefined;
    const [subscribed] = await Promise.all([
      subscribe && attempt(() => subscriptions.heal(userId, { urgent: true })),
      attempt(async () => {
        await ports.fetch(userId);
        lastWeighIn = ports.journal.lastWeighIn(userId) ?? (await lookBack(userId));
      }),
    ]);
    return {
      kind: 'linked',
      userId,
      again,
      lastWeighIn,
      hitches,
      subscribed: subscribe ? (subscribed ? 'yes' : 'no') : 'later',
    };
  };

  /** Shown and not journalled: a person who has just been linked is not told their history. */
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

  /** The work that this consent leads to, begun now or already, or why there is none. */
  const admit = ({ code, state }: Redirect): Consented | LinkFailed => {
    if (state === undefined || code === undefined) return STATE_MISSING;
    const request = consent.read(state);
    if (request === 'forged') return STATE_FORGED;
    if (request === 'expired') return STATE_EXPIRED;
    const known = remember(request);
    if (known.running?.code === code) return known;
    if (known.used || known.running !== undefined || known.codes.size >= MOST_CODES) return STATE_USED;
    if (known.codes.has(code)) return CODE_USED;
    known.codes.add(code);
    const outcome = exchange(code, request);
    known.running = { code, outcome };
    working.add(outcome);
    void outcome.finally(() => working.delete(outcome));
    return known;
  };

  return {
    async link(redirect, patience) {
      if (redirect.error !== undefined) return DENIED;
      const known = admit(redirect);
      if ('kind' in known) return known;
      const outcome = await Promise.race([known.running?.outcome, patience.then(() => undefined)]);
      if (outcome === undefined) return 'working';
      known.used ||= outcome.kind === 'linked';
      known.running = undefined;
      return outcome;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(working);
    },
  };
}

function isWeighIn(reading: Parameters<typeof weightOf>[0]): boolean {
  return weightOf(reading) !== undefined && isAnnounced(reading);
}

const AGAIN = 'Ask for a new link ("weighbridge login") and open it.';

function failed(code: string, problem: string, remedy: string = AGAIN): LinkFailed {
  return { kind: 'failed', code, problem, remedy };
}

const DENIED = failed(
  'denied',
  'You have not given your consent, so nobody was linked.',
  `If that was a mistake: open the link again.`,
);
const STATE_MISSING = failed('state_missing', 'This address is only a part of what Withings sends back.');
const STATE_FORGED = failed(
  'state_forged',
  'This did not begin with a link of this weighbridge, so nothing was done.',
  'Ask for a link ("weighbridge login") and open it. If you link by hand: copy the code from the address of this page.',
);
const STATE_EXPIRED = failed('state_expired', 'The link you opened is too old; it is good for a quarter of an hour.');
const STATE_USED = failed(
  'state_used',
  'This link has done its work already, and is good for one person only.',
  'There is nothing left to do. For another person ask for another link ("weighbridge login").',
);
const CODE_USED = failed(
  'code_used',
  'Withings gives out each code for one use, and this one has been used.',
  'Open the link again.',
);

/** What Withings and the disk have to say, for somebody in front of a browser. */
function translate({ code, message, hint }: Trouble): LinkFailed {
  switch (code) {
    case 'code_refused':
      return failed(
        code,
        'Withings did not accept its own code: it is good for 30 seconds and once.',
        'Open the link again.',
      );
    case 'wrong_client':
      return failed(
        code,
        'The client id or the client secret of weighbridge is wrong.',
        'Compare WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET with the Withings partner dashboard, and restart weighbridge.',
      );
    case 'redirect_mismatch':
      return failed(
        code,
        'CALLBACK_URL is not the callback URL that Withings knows.',
        'Make it the one in the Withings partner dashboard, letter by letter, and restart weighbridge.',
      );
    case 'throttled':
      return failed(code, 'Withings has had enough calls for now.', 'Wait a minute, then open the link again.');
    case 'unreachable':
    case 'bad_answer':
      return failed(code, `Withings did not answer as it should: ${message}.`, 'Open the link again in a minute.');
    default:
      return failed(code, `${message}.`, hint === undefined ? AGAIN : `${hint}. Then open the link again.`);
  }
}
