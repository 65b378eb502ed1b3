import { Agent as HttpAgent } from 'node:http';
import type { AxiosInstance, AxiosResponse, AxiosStatic } from 'axios';
import qs from 'qs';
import type { Clock } from '../domain/clock.ts';
import { lazily } from '../domain/lazily.ts';
import { createMask, secretsOfUrl } from '../domain/secrets.ts';
import type { Account } from '../domain/token.ts';
import { errorCode } from '../domain/trouble.ts';
import { badAnswer, classify, type Endpoint, unreachable } from './errors.ts';
import { type Envelope, parseEnvelope, parseWaitSeconds, WireError } from './wire.ts';

/** A page of measures is some hundred kilobytes. */
const MOST_BYTES = 8 * 1024 * 1024;
/** The most letters of Withings' error text. */
const MOST_ERROR_LETTERS = 200;
/** The fields of a call that Withings' error text must not repeat, and those that are a callback URL. */
const SECRET_FIELDS = ['refresh_token', 'code', 'callbackurl', 'redirect_uri'];
const URL_FIELDS = ['callbackurl', 'redirect_uri'];

export interface TransportOptions {
  readonly apiUrl: URL;
  /** Withings' error text must not repeat it. */
  readonly clientSecret: string;
  /** Every call waits for its turn here. A throttled call pauses it. */
  readonly rateLimit: {
    turn(call: { readonly key: string; readonly urgent: boolean }): Promise<void>;
    pause(ms: number): void;
  };
  /** The clock for the time limit of an answer. */
  readonly clock: Pick<Clock, 'sleep'>;
  /** When it aborts, it ends the waiting for a turn, and every call whose answer is not a login. */
  readonly signal: AbortSignal;
}

export interface Call {
  readonly endpoint: Endpoint;
  readonly form: Readonly<Record<string, string | number>>;
  readonly urgent: boolean;
  readonly timeoutMs: number;
  /** The answer is a login: the program's end does not abort the call. */
  readonly bringsLogin?: boolean;
  readonly sending?: (() => Promise<void>) | undefined;
  /** Gets the length of the answer. */
  readonly onLength?: ((letters: number) => void) | undefined;
  /** The person's account, for a call with an access token. */
  readonly account?: Account;
}

/** Sends one call and returns the body of its answer. Throws unless the status is 0. */
export type Transport = (call: Call) => Promise<unknown>;

/**
 * Form-encoded POSTs to Withings' public API. Every failure leaves as a `Trouble` without a cause: an axios error
 * prints the form and the Authorization header, and both are secret. A call that the program's end aborts rejects with
 * the signal's reason.
 */
export function createTransport(options: TransportOptions): Transport {
  const { apiUrl, clientSecret, rateLimit, clock, signal } = options;
  const open = lazily(openHttp);

  const post: Transport = async (call) => {
    const { endpoint, form, urgent, account } = call;
    const body = qs.stringify(form);
    const http = await open();
    await rateLimit.turn({ key: `${endpoint} ${account?.userId ?? ''} ${body}`, urgent });
    await call.sending?.();
    const response = await send(http, call, body);
    call.onLength?.(response.data.length);
    const { status, error, body: answer } = read(endpoint, response);
    if (status === 0) return answer;
    const mask = createMask([clientSecret, account?.accessToken ?? '', ...secretsIn(form)]);
    const clean = mask(error).slice(0, MOST_ERROR_LETTERS);
    const grant = form['grant_type']?.toString();
    const trouble = classify(endpoint, { status, error: clean, waitSeconds: parseWaitSeconds(answer), grant });
    // This is about the application, so every call waits; `same_arguments` is about one call.
    if (trouble.code === 'throttled' && trouble.waitMs !== undefined) rateLimit.pause(trouble.waitMs);
    throw trouble;
  };

  const send = async (http: AxiosInstance, { endpoint, account, timeoutMs, bringsLogin }: Call, body: string) => {
    const stop = bringsLogin ? undefined : signal;
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
          ...(account && { authorization: `Bearer ${account.accessToken}` }),
        },
        signal: abort.signal,
      });
    } catch (error) {
      stop?.throwIfAborted();
      const code = abort.signal.aborted ? `no answer in ${timeoutMs / 1000} s` : errorCode(error);
      throw unreachable(url.host, code ?? 'no answer');
    } finally {
      patience.abort();
      await timedOut;
      stop?.removeEventListener('abort', onStop);
    }
  };

  return post;
}

/**
 * The package and TLS load in 25 and 10 ms. The daemon loads them after opening its port, a command at its first call.
 */
export async function loadAxios(): Promise<AxiosStatic> {
  const { default: axios } = await import('axios');
  return axios;
}

async function openHttp(): Promise<AxiosInstance> {
  const axios = await loadAxios();
  const { Agent: HttpsAgent } = await import('node:https');
  return axios.create({
    // Calls are hours apart. A connection kept open for so long fails at its next use.
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
}

/** HTTP errors come from the front end. Two of them mean the same as a status of the API. */
function read(endpoint: Endpoint, { status, headers, data }: AxiosResponse<string>): Envelope {
  if (status === 429) return { status: 601, error: 'HTTP 429', body: { wait_seconds: Number(headers['retry-after']) } };
  if (status === 401) return { status: 401, error: 'HTTP 401', body: undefined };
  if (status !== 200) throw badAnswer(endpoint, `HTTP ${status}`);
  return judged(endpoint, () => parseEnvelope(data));
}

/** Runs a parser. Its error becomes the trouble of a bad answer. */
export function judged<T>(endpoint: Endpoint, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof WireError ? badAnswer(endpoint, `something unexpected (${error.message})`) : error;
  }
}

/** A careless server may repeat all or part of a request. */
function secretsIn(form: Call['form']): readonly string[] {
  const valuesOf = (names: readonly string[]) => names.map((name) => String(form[name] ?? ''));
  const urls = valuesOf(URL_FIELDS).filter((value) => URL.canParse(value));
  return [...valuesOf(SECRET_FIELDS), ...urls.flatMap((url) => secretsOfUrl(new URL(url)))];
}
