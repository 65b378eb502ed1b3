import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Html, html } from '../html/html.ts';
import { LOOK } from '../html/look.ts';

/** A person that the pages offer. */
export interface Person {
  readonly userId: string;
  readonly name: string;
}

const STYLE = {
  markup: `${LOOK}
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { padding: 0.15rem 1rem 0.15rem 0; text-align: left; }
form { margin: 0.3rem 0; }`,
};
/** Nothing runs in the pages, and no other page shows them in a frame. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

export function sendPage(response: ServerResponse, title: string, body: Html): void {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY });
  const head = html`<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>`;
  response.end(
    html`<!doctype html><html lang="en">${head}<style>${STYLE}</style><h1>${title}</h1>${body}</html>`.markup,
  );
}

export function sendJson(response: ServerResponse, httpStatus: number, value: unknown): void {
  response.writeHead(httpStatus, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/**
 * A page on the internet can send forms to this machine, and make its own name resolve to it. Programs send no Origin,
 * and use the sandbox's address.
 */
export function isForeign({ headers }: IncomingMessage): boolean {
  const { host = '', origin } = headers;
  return !/^(127\.0\.0\.1|localhost)(:[0-9]+)?$/.test(host) || (origin !== undefined && origin !== `http://${host}`);
}
