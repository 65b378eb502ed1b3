import type { Probe } from '../http/probe.ts';
import { broken, type Finding, ok, warning } from './finding.ts';

/** Withings hangs up after 2 s (developer guide, notifications). */
const TOO_SLOW_MS = 2_000;
const SLOW_MS = 1_000;

/** What came of asking for the head of the callback URL, the way Withings does. */
export function judgeHead(probe: Probe, { url, port }: { readonly url: string; readonly port: number }): Finding {
  const { status, isOurs, location, ms, error } = probe;
  if (status === undefined) return judgeSilence(error ?? 'no answer');
  if (location !== undefined && status >= 300 && status < 400) return judgeRedirect(status, location, url);
  if (status !== 200) {
    const [meaning, remedy] = meaningOf(status, port);
    return broken('callback', `a HEAD of CALLBACK_URL is answered ${status}: ${meaning}`, remedy);
  }
  if (!isOurs) {
    const remedy =
      'open CALLBACK_URL in a private window: the page that appears (a login, a warning of the tunnel, a router) must let this path through';
    return broken('callback', 'a HEAD of CALLBACK_URL is answered 200, but not by this weighbridge', remedy);
  }
  const seconds = (ms / 1000).toFixed(1);
  if (ms > SLOW_MS) {
    const text = `weighbridge answers CALLBACK_URL after ${seconds} s, and Withings allows 2 s`;
    const remedy =
      'what is slow, the tunnel, the way in, or a computer that is too busy? Look with "top", or try another tunnel';
    return (ms > TOO_SLOW_MS ? broken : warning)('callback', text, remedy);
  }
  return ok('callback', `weighbridge itself answers CALLBACK_URL with 200 in ${seconds} s`);
}

/** @param error as Node names it */
export function judgeSilence(error: string): Finding {
  const remedy =
    'is the tunnel running, is port 443 of the router forwarded? Some routers cannot call themselves from inside: then "curl -I" from a phone without Wi-Fi decides';
  return broken('callback', `nothing answers at CALLBACK_URL (${error})`, remedy);
}

/** The target is told without its path: that may hold the secret. */
function judgeRedirect(status: number, location: string, url: string): Finding {
  const from = new URL(url);
  const to = URL.canParse(location, url) ? new URL(location, url) : undefined;
  const where = to === undefined ? 'somewhere else' : to.origin === from.origin ? 'another path of its own' : to.origin;
  const remedy =
    'Withings follows nobody and its call is lost: set CALLBACK_URL to where it leads if that is weighbridge (https or a slash at the end?), and except its path from logins otherwise';
  return broken('callback', `a HEAD of CALLBACK_URL is sent on to ${where} (${status})`, remedy);
}

function meaningOf(status: number, port: number): readonly [meaning: string, remedy: string] {
  const here = `this machine's port ${port}`;
  switch (status) {
    case 404:
      return [
        'somebody is there who does not know the path',
        `does the tunnel lead to ${here}? Is it running (ngrok answers 404 for one that is not)? Has CALLBACK_URL changed since weighbridge was started? Where a proxy changes the path, WEBHOOK_PATH is the one that arrives`,
      ];
    case 204:
    case 405:
      return [
        'Withings takes that for unreachable',
        `something else than weighbridge answers; let the tunnel or the proxy pass everything on to ${here}`,
      ];
    case 401:
    case 403:
      return [
        'somebody on the way wants a login, or refuses',
        'except the path of CALLBACK_URL from it: basic auth, Cloudflare Access and bot protection, "block exploits" of a proxy',
      ];
    case 502:
    case 503:
    case 504:
      return [
        'the tunnel or the proxy is there, and finds nobody behind it',
        `let it lead to ${here} (on the same machine http://127.0.0.1:${port}), not https`,
      ];
    case 530:
      return ["Cloudflare's tunnel is not running (error 1033)", '"sudo systemctl status cloudflared" says why'];
    default:
      return status >= 520 && status < 530
        ? ['Cloudflare cannot reach this machine', `is cloudflared running, and does it lead to ${here}?`]
        : ['it must be 200', `something else than weighbridge answers; let everything be passed on to ${here}`];
  }
}
