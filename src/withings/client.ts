import { createHmac } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';
import {
  HEIGHT,
  type HeightSource,
  type MeasureAnswer,
  type MeasureGroup,
  type MeasureQuery,
  type MeasureSource,
  type Unreadable,
} from '../domain/measure.ts';
import type { ScaleSource } from '../domain/scale.ts';
import type { SubscriptionService } from '../domain/subscription.ts';
import type { Account, TokenIssuer } from '../domain/token.ts';
import { badAnswer, CODE_GRANT, REFRESH_GRANT } from './errors.ts';
import { createTransport, judged, type TransportOptions } from './transport.ts';
import {
  type MeasurePage,
  parseGrant,
  parseMeasurePage,
  parseNonce,
  parseScales,
  parseSubscriptions,
  parseTokenSet,
} from './wire.ts';

/** The limit is long, because an abandoned answer may carry the new login. Token calls took up to two minutes. */
const TOKEN_TIMEOUT_MS = 180_000;
const DATA_TIMEOUT_MS = 60_000;
/** Enough for years of several weigh-ins a day. More means that the paging is endless. */
const MOST_PAGES = 500;
/** A part of an answer ends after the page that brings it to this size: some ten pages of Withings'. */
const PART_GROUPS = 3_000;
const PART_LETTERS = 4 * 1024 * 1024;

export interface WithingsClientOptions extends Omit<TransportOptions, 'clock'> {
  readonly clientId: string;
  readonly clock: Pick<Clock, 'now' | 'sleep'>;
}

export interface WithingsClient extends TokenIssuer, MeasureSource, HeightSource, ScaleSource, SubscriptionService {
  /** Checks the client id and secret. No person needs to be linked. */
  checkCredentials(): Promise<void>;
}

/** Withings' public API. Every failure is a `Trouble`; see `transport.ts`. */
export function createWithingsClient(options: WithingsClientOptions): WithingsClient {
  const { clientId, clientSecret, clock } = options;
  const post = createTransport(options);

  const requestToken = (
    grant: Readonly<Record<string, string>>,
    { urgent, sending }: { readonly urgent: boolean; readonly sending?: (() => Promise<void>) | undefined },
  ) => {
    const form = { action: 'requesttoken', client_id: clientId, client_secret: clientSecret, ...grant };
    return post({ endpoint: '/v2/oauth2', form, urgent, sending, timeoutMs: TOKEN_TIMEOUT_MS, bringsLogin: true });
  };

  const notify = (account: Account, form: Readonly<Record<string, string | number>>) =>
    post({ endpoint: '/notify', form, urgent: account.urgent, timeoutMs: DATA_TIMEOUT_MS, account });

  /** The pages of one query: the same parameters each time, and the offset that the previous page named. */
  async function* pages(account: Account, query: Form, begin: number, onLength: (letters: number) => void) {
    const endpoint = '/measure';
    const form = { action: 'getmeas', category: 1, ...query };
    const call = { endpoint, urgent: account.urgent, timeoutMs: DATA_TIMEOUT_MS, account, onLength } as const;
    let offset = begin;
    for (let count = 0; count < MOST_PAGES; count += 1) {
      const body = await post({ ...call, form: offset === 0 ? form : { ...form, offset } });
      const page = judged(endpoint, () => parseMeasurePage(body));
      yield page;
      if (page.nextOffset === undefined) return;
      if (page.nextOffset <= offset) throw badAnswer(endpoint, 'the same page again (offset does not advance)');
      offset = page.nextOffset;
    }
    throw badAnswer(endpoint, `more than ${MOST_PAGES} pages`);
  }

  const getPart = async (account: Account, query: Form, offset: number): Promise<MeasureAnswer> => {
    const groups = new Map<number, MeasureGroup>();
    const unreadable: Unreadable[] = [];
    let letters = 0;
    let pageCount = 0;
    let first: MeasurePage | undefined;
    let isCutOff = false;
    let ascends = true;
    let newestMs = 0;
    let next: number | undefined;
    const addLength = (more: number) => {
      letters += more;
    };
    for await (const page of pages(account, query, offset, addLength)) {
      first ??= page;
      pageCount += 1;
      isCutOff ||= page.isCutOff;
      unreadable.push(...page.unreadable);
      for (const group of page.groups) {
        const changedMs = group.modifiedAt.getTime();
        ascends &&= changedMs >= newestMs;
        newestMs = changedMs;
        keepNewer(groups, group);
      }
      next = page.nextOffset;
      if (groups.size >= PART_GROUPS || letters >= PART_LETTERS) break;
    }
    const complete = !isCutOff && next === undefined;
    const isPaged = pageCount > 1;
    const common = { updatedAt: first?.updatedAt, unreadable, complete, ascends, isPaged, next };
    return { ...common, groups: oldestFirst(groups) };
  };

  return {
    async refresh(refreshToken, options) {
      const body = await requestToken({ grant_type: REFRESH_GRANT, refresh_token: refreshToken }, options);
      return judged('/v2/oauth2', () => parseTokenSet(body));
    },

    async exchange(code, redirectUri) {
      const grant = { grant_type: CODE_GRANT, code, redirect_uri: redirectUri };
      const body = await requestToken(grant, { urgent: true });
      return judged('/v2/oauth2', () => parseGrant(body));
    },

    getMeas: ({ query, offset = 0, ...account }) => getPart(account, queryForm(query), offset),

    getHeights: (account) => getPart(account, { meastype: HEIGHT }, 0),

    async getScales(account) {
      const endpoint = '/v2/user';
      const form = { action: 'getdevice' };
      const body = await post({ endpoint, form, urgent: account.urgent, timeoutMs: DATA_TIMEOUT_MS, account });
      return judged(endpoint, () => parseScales(body));
    },

    async list(account) {
      const body = await notify(account, { action: 'list' });
      return judged('/notify', () => parseSubscriptions(body));
    },

    async subscribe(account, { appli, callbackUrl, comment }) {
      const form = { action: 'subscribe', callbackurl: callbackUrl, appli };
      await notify(account, comment === undefined ? form : { ...form, comment });
    },

    async revoke(account, { appli, callbackUrl }) {
      await notify(account, { action: 'revoke', callbackurl: callbackUrl, appli });
    },

    async checkCredentials() {
      const endpoint = '/v2/signature';
      const timestamp = Math.floor(clock.now().getTime() / 1000);
      // The values in the alphabetical order of their names.
      const signature = createHmac('sha256', clientSecret).update(`getnonce,${clientId},${timestamp}`).digest('hex');
      const form = { action: 'getnonce', client_id: clientId, timestamp, signature };
      const body = await post({ endpoint, form, urgent: true, timeoutMs: DATA_TIMEOUT_MS });
      judged(endpoint, () => parseNonce(body));
    },
  };
}

type Form = Readonly<Record<string, number>>;

/** Dates become seconds here and nowhere else. */
function queryForm(query: MeasureQuery): Form {
  if ('since' in query) return { lastupdate: Math.floor(query.since.getTime() / 1000) };
  const { start, end } = query.window;
  return { startdate: Math.floor(start.getTime() / 1000), enddate: Math.ceil(end.getTime() / 1000) };
}

function keepNewer(groups: Map<number, MeasureGroup>, group: MeasureGroup): void {
  const known = groups.get(group.groupId);
  if (known === undefined || known.modifiedAt < group.modifiedAt) groups.set(group.groupId, group);
}

function oldestFirst(groups: ReadonlyMap<number, MeasureGroup>): readonly MeasureGroup[] {
  return [...groups.values()].sort((a, b) => a.takenAt.getTime() - b.takenAt.getTime() || a.groupId - b.groupId);
}
