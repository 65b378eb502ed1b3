import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import axios, { type AxiosResponse } from 'axios';
import qs from 'qs';
import type { Clock } from '../domain/clock.ts';
import type { MeasureGroup, MeasureQuery, MeasureSource } from '../domain/measure.ts';
import type { TokenIssuer, UserId } from '../domain/token.ts';
import { badAnswer, classify, type Endpoint, unreachable } from './errors.ts';
import {
  type Envelope,
  type MeasurePage,
  parseEnvelope,
  parseMeasurePage,
  parseTokenSet,
  parseWaitSeconds,
  WireError,
} from './wire.ts';

/** Long: an answer that we stop waiting for may carry the new login. Token calls of two minutes have been seen. */
const TOKEN_TIMEOUT_MS = 180_000;
const DATA_TIMEOUT_MS = 60_000;
/** A page of measures is some hundred kilobytes. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Years of several weigh-ins a day. More means that the paging goes round in circles. */
const MOST_PAGES = 500;
/** Of Withings' words about a failure. */
const MOST_ERROR_LETTERS = 200;

export interface WithingsClientOptions {
  readonly apiUrl: URL;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Asked before every call; told when Withings has had enough. */
  readonly pace: {
    turn(call: { readonly key: string; readonly urgent: boolean }): Promise<void>;
    pause(ms: number): void;
  };
  /** Measures how long an answer may take. */
  readonly clock: Pick<Clock, 'sleep'>;
  /** Ends waiting and data calls when it aborts; never a token call. */
  readonly signal: AbortSignal;
}

interface Call {
  readonly endpoint: Endpoint;
  readonly form: Readonly<Record<string, string | number>>;
  readonly urgent: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly sending?: (() => Promise<void>) | undefined;
  /** Whose data it is; a token call has no one but its own arguments. */
  readonly account?: Account;
}

interface Account {
  readonly userId: UserId;
  readonly accessToken: string;
}

/**
 * Withings' public API. Every failure leaves as a `Trouble` without a cause: an axios error prints the form and
 * the Authorization header, and both are secret. A data call that the program's end cuts off rejects with the
 * signal's reason.
 */
export function createWithingsClient(options: WithingsClientOptions): TokenIssuer & MeasureSource {
  const { apiUrl, clientId, clientSecret, pace, clock, signal } = options;
  const http = axios.create({
    // Calls are hours apart. A connection kept open for so long fails when it is used again.
    httpAgent: new HttpAgent({ keepAlive: false }),
    httpsAgent: new HttpsAgent({ keepAlive: false }),
    adapter: 'http',
    proxy: false,
    maxRedirects: 0,
    maxContentLength: MOST_BYTES,
    responseType: 'text',
    transformResponse: (data: unknown) => data,
    validateStatus: () => true,
  });

  /** Sends one call and returns the body of its answer; anything but status 0 is thrown. */
  const post = async (call: Call): Promise<unknown> => {
    const { endpoint, form, urgent, account } = call;
    const body = qs.stringify(form);
    await pace.turn({ key: `${endpoint} ${account?.userId ?? ''} ${body}`, urgent });
    await call.sending?.();
    const secrets = [clientSecret, account?.accessToken, form['refresh_token']];
    const { status, error, body: answer } = read(endpoint, await send(call, body));
    if (status === 0) return answer;
    const waitSeconds = parseWaitSeconds(answer);
    const trouble = classify(endpoint, {
      status,
      error: withoutSecrets(error, secrets).slice(0, MOST_ERROR_LETTERS),
      waitSeconds,
    });
    // "Too many requests" is about the application, so everybody waits; "same arguments" is about one call.
    if (trouble.waitMs !== undefined && !/^same arguments/i.test(error)) pace.pause(trouble.waitMs);
    throw trouble;
  };

  const send = async ({ endpoint, account, timeoutMs, signal: stop }: Call, body: string) => {
    const url = new URL(apiUrl.pathname.replace(/\/$/, '') + endpoint, apiUrl);
    const abort = new AbortController();
    const onStop = () => abort.abort();
    const patience = new AbortController();
    const timedOut = clock.sleep(timeoutMs, patience.signal).then(onStop);
    stop?.addEventListener('abort', onStop);
    try {
      stop?.throwIfAborted();
      return await http.post<string>(url.href, body, {
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
          ...(account === undefined ? {} : { authorization: `Bearer ${account.accessToken}` }),
        },
        signal: abort.signal,
      });
    } catch (error) {
      stop?.throwIfAborted();
      throw unreachable(url.host, abort.signal.aborted ? `no answer in ${timeoutMs / 1000} s` : errorCode(error));
    } finally {
      patience.abort();
      await timedOut;
      stop?.removeEventListener('abort', onStop);
    }
  };

  /** The pages of one query: the same parameters each time, and the offset that the page before has named. */
  async function* pages(query: MeasureQuery, account: Account, urgent: boolean): AsyncGenerator<MeasurePage> {
    const endpoint = '/measure';
    const form = { action: 'getmeas', category: 1, ...queryForm(query) };
    let offset = 0;
    for (let count = 0; count < MOST_PAGES; count += 1) {
      const asked = offset === 0 ? form : { ...form, offset };
      const body = await post({ endpoint, form: asked, urgent, timeoutMs: DATA_TIMEOUT_MS, signal, account });
      const page = judged(endpoint, () => parseMeasurePage(body));
      yield page;
      if (page.nextOffset === undefined) return;
      if (page.nextOffset <= offset) throw badAnswer(endpoint, 'the same page again (offset does not advance)');
      offset = page.nextOffset;
    }
    throw badAnswer(endpoint, `more than ${MOST_PAGES} pages`);
  }

  return {
    async refresh(refreshToken, { urgent, sending }) {
      const endpoint = '/v2/oauth2';
      const form = {
        action: 'requesttoken',
        client_id: clientId,
        client_secret: clientSecret,
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
      };
      const body = await post({ endpoint, form, urgent, sending, timeoutMs: TOKEN_TIMEOUT_MS, signal: undefined });
      return judged(endpoint, () => parseTokenSet(body));
    },

    async getMeas({ userId, accessToken, query, urgent }) {
      const groups = new Map<number, MeasureGroup>();
      let first: MeasurePage | undefined;
      let unreadable: string | undefined;
      for await (const page of pages(query, { userId, accessToken }, urgent)) {
        first ??= page;
        unreadable ??= page.unreadable;
        for (const group of page.groups) keepNewer(groups, group);
      }
      return { updatedAt: first?.updatedAt, groups: oldestFirst(groups), unreadable };
    },
  };
}

/** Dates become seconds here and nowhere else. */
function queryForm(query: MeasureQuery): Readonly<Record<string, number>> {
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

/** HTTP errors come from the front end. Two of them mean what a status of the API means. */
function read(endpoint: Endpoint, { status, headers, data }: AxiosResponse<string>): Envelope {
  if (status === 429) return { status: 601, error: 'HTTP 429', body: { wait_seconds: Number(headers['retry-after']) } };
  if (status === 401) return { status: 401, error: 'HTTP 401', body: undefined };
  if (status !== 200) throw badAnswer(endpoint, `HTTP ${status}`);
  return judged(endpoint, () => parseEnvelope(data));
}

/** Runs a parser; what it finds wrong is a bad answer of Withings'. */
function judged<T>(endpoint: Endpoint, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof WireError ? badAnswer(endpoint, `something unexpected (${error.message})`) : error;
  }
}

function errorCode(error: unknown): string {
  const code = axios.isAxiosError(error) ? error.code : undefined;
  return code ?? 'no answer';
}

function withoutSecrets(text: string, secrets: readonly (string | number | undefined)[]): string {
  return secrets.reduce<string>((clean, secret) => (secret ? clean.replaceAll(String(secret), '***') : clean), text);
}
