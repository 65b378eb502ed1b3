import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { AxiosInstance, AxiosResponse } from 'axios';
import qs from 'qs';
import type { Clock } from '../domain/clock.ts';
import { lazily } from '../domain/lazily.ts';
import type { Account } from '../domain/token.ts';
import { errorCode } from '../domain/trouble.ts';
import { badAnswer, classify, type Endpoint, unreachable } from './errors.ts';
import { type Envelope, parseEnvelope, parseWaitSeconds, WireError } from './wire.ts';

/** A page of measures is some hundred kilobytes. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Of Withings' words about a failure. */
const MOST_ERROR_LETTERS = 200;

export interface TransportOptions {
  readonly apiUrl: URL;
  /** What Withings' words about a failure must not repeat. */
  readonly clientSecret: string;
  /** Asked before every call; told when Withings has had enough. */
  readonly rateLimit: {
    turn(call: { readonly key: string; readonly urgent: boolean }): Promise<void>;
    pause(ms: number): void;
  };
  /** Measures how long an answer may take. */
  readonly clock: Pick<Clock, 'sleep'>;
  /** Ends waiting for a turn when it aborts, and every call that does not carry a login. */
  readonly signal: AbortSignal;
}

export interface Call {
  readonly endpoint: Endpoint;
  readonly form: Readonly<Record<string, string | number>>;
  readonly urgent: boolean;
  readonly timeoutMs: number;
  /** Its answer is a login: the program's end does not cut it off. */
  readonly bringsLogin?: boolean;
  readonly sending?: (() => Promise<void>) | undefined;
  /** Whose data it is; a token call has no one but its own arguments. */
  readonly account?: Account;
}

/** Sends one call and returns the body of its answer; anything but status 0 is thrown. */
export type Transport = (call: Call) => Promise<unknown>;

/**
 * Form-encoded POSTs to Withings' public API. Every failure leaves as a `Trouble` without a cause: an axios error
 * prints the form and the Authorization header, and both are secret. A call that the program's end cuts off rejects
 * with the signal's reason.
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
    const secrets = [
      clientSecret,
      account?.accessToken,
      form['refresh_token'],
      form['code'],
      form['callbackurl'],
      form['redirect_uri'],
    ];
    const { status, error, body: answer } = read(endpoint, await send(http, call, body));
    if (status === 0) return answer;
    const waitSeconds = parseWaitSeconds(answer);
    const trouble = classify(endpoint, {
      status,
      error: withoutSecrets(error, secrets).slice(0, MOST_ERROR_LETTERS),
      waitSeconds,
    });
    // "Too many requests" is about the application, so everybody waits; "same arguments" is about one call.
    if (trouble.waitMs !== undefined && !/^same arguments/i.test(error)) rateLimit.pause(trouble.waitMs);
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
          ...(account === undefined ? {} : { authorization: `Bearer ${account.accessToken}` }),
        },
        signal: abort.signal,
      });
    } catch (error) {
      stop?.throwIfAborted();
      throw unreachable(
        url.host,
        abort.signal.aborted ? `no answer in ${timeoutMs / 1000} s` : (errorCode(error) ?? 'no answer'),
      );
    } finally {
      patience.abort();
      await timedOut;
      stop?.removeEventListener('abort', onStop);
    }
  };

  return post;
}

/** The package is loaded with the first call, when the port has long been open: 25 ms. */
async function openHttp(): Promise<AxiosInstance> {
  const { default: axios } = await import('axios');
  return axios.create({
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
}

/** HTTP errors come from the front end. Two of them mean what a status of the API means. */
function read(endpoint: Endpoint, { status, headers, data }: AxiosResponse<string>): Envelope {
  if (status === 429) return { status: 601, error: 'HTTP 429', body: { wait_seconds: Number(headers['retry-after']) } };
  if (status === 401) return { status: 401, error: 'HTTP 401', body: undefined };
  if (status !== 200) throw badAnswer(endpoint, `HTTP ${status}`);
  return judged(endpoint, () => parseEnvelope(data));
}

/** Runs a parser; what it finds wrong is a bad answer of Withings'. */
export function judged<T>(endpoint: Endpoint, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof WireError ? badAnswer(endpoint, `something unexpected (${error.message})`) : error;
  }
}

/** Also where Withings repeats them as a form or a URL would write them. */
function withoutSecrets(text: string, secrets: readonly (string | number | undefined)[]): string {
  const forms = secrets.filter(Boolean).flatMap((secret) => [String(secret), encodeURIComponent(String(secret))]);
  return forms.reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
}
