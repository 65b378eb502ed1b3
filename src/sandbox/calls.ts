import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const DRIP_MS = 20;
/** Far more than any form of a client. */
const MOST_BYTES = 1024 * 1024;

export interface Call {
  readonly path: string;
  readonly form: URLSearchParams;
  readonly accessToken: string;
  /** Milliseconds since 1970, by the sandbox's clock. */
  readonly at: number;
}

/** The text that replaces an answer: `hang` sends nothing, `drip` sends a letter at a time. */
export type Fault = 'hang' | 'cut' | { readonly httpStatus?: number; readonly text: string; readonly drip?: boolean };

/** Parameters come in the query or in a form, and the token in the header or as a parameter. */
export async function readCall(request: IncomingMessage, url: URL, at: number): Promise<Call> {
  const form = new URLSearchParams([...(await readForm(request)), ...url.searchParams]);
  const inForm = form.get('access_token') ?? '';
  form.delete('access_token');
  const accessToken = /^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? inForm;
  return { path: url.pathname, form, accessToken, at };
}

/** The fields of a POST with a form; none otherwise. Closes the connection if more than `MOST_BYTES` come. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const isForm = /^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? '');
  const sent = await readBody(request);
  return new URLSearchParams(request.method === 'POST' && isForm ? sent : '');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Returns whether it sent a fault. */
export function misbehave(response: ServerResponse, fault: Fault | undefined): boolean {
  if (fault === undefined) return false;
  if (fault === 'cut') response.destroy();
  else if (fault !== 'hang') {
    response.writeHead(fault.httpStatus ?? 200);
    if (fault.drip) void drip(response, fault.text);
    else response.end(fault.text);
  }
  return true;
}

/** Sends letter after letter, as long as the caller stays connected. */
async function drip(response: ServerResponse, text: string): Promise<void> {
  for (const letter of text) {
    await delay(DRIP_MS);
    if (response.destroyed) return;
    response.write(letter);
  }
  response.end();
}
