import type { Call, Fault } from '../../src/sandbox/calls.ts';
import type { Answer } from '../../src/sandbox/limits.ts';

/** Changes one request: before the processing (no answer yet), or in place of its answer. */
export type ApiFault = (call: Call, answer: Answer | undefined) => Fault | undefined;

export const isRefresh = ({ path }: Call) => path === '/v2/oauth2';
export const isGetMeas = ({ form }: Call) => form.get('action') === 'getmeas';

const before =
  (fault: Fault, concerns: (call: Call) => boolean = () => true): ApiFault =>
  (call, answer) =>
    answer === undefined && concerns(call) ? fault : undefined;

const json = (value: unknown): Fault => ({ text: JSON.stringify(value) });
const refusal = (status: number, error: string, body: object = {}) => json({ status, body, error });

/** Changes the answer of a successful request. */
const changed =
  (
    concerns: (call: Call) => boolean,
    change: (body: Readonly<Record<string, unknown>>, call: Call) => object,
  ): ApiFault =>
  (call, answer) =>
    answer?.status === 0 && concerns(call) ? json({ ...answer, body: change(answer.body, call) }) : undefined;

/** The observed faults of Withings and other possible ones, by name. */
export const API_FAULTS: Readonly<Record<string, ApiFault>> = {
  'HTTP 500': before({ httpStatus: 500, text: '' }),
  'HTTP 502': before({ httpStatus: 502, text: '<html><h1>502 Bad Gateway</h1></html>' }),
  'HTTP 503': before({ httpStatus: 503, text: 'Service Unavailable' }),
  'HTTP 504': before({ httpStatus: 504, text: '' }),
  'HTTP 429': before({ httpStatus: 429, text: '' }),
  'HTML with HTTP 200': before({ text: '<!doctype html><title>Maintenance</title>' }),
  'nothing with HTTP 200': before({ text: '' }),
  'half a JSON': before({ text: '{"status":0,"body":{"measuregrps":[{"grpid":78' }),
  'a connection that is cut': before('cut'),
  'an answer that is lost on its way': (_call, answer) => (answer === undefined ? undefined : 'cut'),
  'an answer that never comes': before('hang'),
  'an answer that never comes, after the work is done': (_call, answer) => (answer === undefined ? undefined : 'hang'),
  'an answer byte by byte': (_call, answer) =>
    answer === undefined ? undefined : { text: JSON.stringify(answer), drip: true },
  'status 601, too many requests': before(refusal(601, 'Too Many Requests', { wait_seconds: 5 })),
  'status 601, same arguments': before(refusal(601, 'Same arguments in less than 10 seconds')),
  'status 401': before(
    refusal(401, 'XRequestID: Not provided invalid_token: The access token provided is invalid'),
    isGetMeas,
  ),
  'status 503, invalid code': before(refusal(503, 'Invalid Params: invalid code'), isRefresh),
  'status 503, invalid refresh token': before(refusal(503, 'Invalid Params: invalid refresh_token'), isRefresh),
  'status 503, invalid client': before(refusal(503, 'Invalid Params: invalid client id/secret'), isRefresh),
  'status 503 on a data call': before(refusal(503, 'Invalid Params'), isGetMeas),
  'status 2555': before(refusal(2555, 'An unknown error occurred')),
  'a refusal that repeats what was sent': (call, answer) =>
    answer === undefined ? refusal(2555, `An unknown error occurred: ${call.accessToken} ${call.form}`) : undefined,
  'an unknown status': before(refusal(98_765, 'surprise')),
  // The broken groups are additions, because unreadable groups move the cursor and would hide real ones.
  'numbers as texts': changed(isGetMeas, ({ measuregrps, ...body }) => ({
    ...body,
    measuregrps: [{ grpid: 'x', date: '', measures: 7 }, ...(Array.isArray(measuregrps) ? measuregrps : [])],
  })),
  'a list that is an object': changed(isGetMeas, (body) => ({ ...body, measuregrps: {} })),
  'a body that is missing': changed(isGetMeas, () => []),
  'tokens that are missing': changed(isRefresh, ({ access_token: _access, ...body }) => ({
    ...body,
    refresh_token: 42,
  })),
  // A wrong offset would hide groups on later pages, and no check would find out.
  'a page that comes twice': changed(isGetMeas, (body, { form }) =>
    form.has('offset') || 'more' in body ? body : { ...body, more: 1, offset: 250 },
  ),
  'an offset that does not advance': changed(isGetMeas, (body) =>
    'more' in body ? body : { ...body, more: true, offset: 250 },
  ),
  'a time far in the future': changed(isGetMeas, (body) => ({ ...body, updatetime: 4_000_000_000 })),
  'a time long ago': changed(isGetMeas, (body) => ({ ...body, updatetime: 1_000_000_000 })),
};
