import { type Recovery, TOO_MANY_OPEN, Trouble } from '../../domain/trouble.ts';

/** The broker does not know this version of MQTT, or closes the connection without an answer, as some do then. */
export const WRONG_VERSION = 'mqtt_version';
/** The broker does not accept messages on one topic, and will not. */
export const REFUSED = 'mqtt_publish';
/** The broker does not accept a message now: it has come to one of its limits, or gives no reason. */
export const NOT_NOW = 'mqtt_not_now';
/**
 * Reason codes of a PUBACK after which the same message will be refused again: unspecified, not authorized, the name of
 * the topic, too large, the format of the payload. MQTT 5, table 3-4.
 */
const FINAL: ReadonlySet<unknown> = new Set([128, 135, 144, 149, 153]);
/** The broker does not accept our subscription. */
export const UNHEARD = 'mqtt_subscribe';
/** The reason code of a connection that another client with the same id has taken over. */
const TAKEN_OVER = 142;

interface Facts {
  readonly code: string;
  readonly recovery: Recovery;
  /** Continues "the MQTT broker …". */
  readonly message: string;
  readonly hint: string;
}

const settings = (code: string, message: string, hint: string): Facts => {
  return { code, recovery: 'settings', message, hint };
};
const passing = (code: string, message: string, hint: string): Facts => ({ code, recovery: 'retry', message, hint });

const LOGIN: Facts = settings(
  'mqtt_login',
  'refuses the user name or the password',
  'compare MQTT_USERNAME and MQTT_PASSWORD with the broker; in Home Assistant it is a user of its own',
);
const FORBIDDEN: Facts = settings(
  'mqtt_forbidden',
  'does not let us in',
  'set MQTT_USERNAME and MQTT_PASSWORD, or let this user in at the broker',
);
const BUSY: Facts = passing('mqtt_busy', 'is there and not ready', 'it goes on by itself; else see the broker’s log');
const VERSION: Facts = passing(WRONG_VERSION, 'does not speak this version of MQTT', 'an older one is tried');

/** Reason codes of CONNACK and DISCONNECT: MQTT 3.1.1, table 3.1, and MQTT 5, tables 3-1 and 3-10. */
const REASONS: Readonly<Record<number, Facts>> = {
  1: VERSION,
  2: settings('mqtt_client_id', 'does not accept our client id', 'look into the log of the broker'),
  3: BUSY,
  4: LOGIN,
  5: FORBIDDEN,
  132: VERSION,
  134: LOGIN,
  135: FORBIDDEN,
  136: BUSY,
  137: BUSY,
  138: FORBIDDEN,
  139: BUSY,
  [TAKEN_OVER]: settings(
    'mqtt_taken_over',
    'has given our place to another weighbridge with the same MQTT_PREFIX',
    'stop one of the two, or give it another MQTT_PREFIX',
  ),
};

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is the broker running, and is it this port (usually 1883, with TLS 8883)?',
  ENOTFOUND: 'there is no such name; compare MQTT_URL, or take the address in its place',
  ...TOO_MANY_OPEN,
  EAI_AGAIN: 'names cannot be looked up now; is there a network, and does its DNS work?',
  EHOSTUNREACH: 'this machine is not to be reached; is it on, and in this network?',
  ENETUNREACH: 'there is no network that leads there',
  ETIMEDOUT: 'nobody answers; compare MQTT_URL, and is there a firewall?',
};

const TLS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it has signed itself: set MQTT_CA_FILE to that certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'it is from a certificate authority of your own: set MQTT_CA_FILE to its certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'nobody known has issued it: set MQTT_CA_FILE to the issuer’s certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'nobody known has issued it: set MQTT_CA_FILE to the issuer’s certificate',
  CERT_HAS_EXPIRED: 'it has expired: renew it, and is the clock of this machine right?',
  CERT_NOT_YET_VALID: 'it is not valid yet: is the clock of this machine right?',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name: let MQTT_URL name the host as the certificate does',
};

function troubleOf({ host }: URL, { message, ...facts }: Facts): Trouble {
  return new Trouble(`the MQTT broker ${host} ${message}`, facts);
}

/** Why the broker cannot be reached, or refuses us, and what to do about it. */
export function asBrokerTrouble(error: unknown, url: URL): Trouble {
  return error instanceof Trouble ? error : troubleOf(url, judge(error));
}

function judge(error: unknown): Facts {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'number') {
    return REASONS[code] ?? passing('mqtt_refused', `refuses (reason ${code})`, 'look into the log of the broker');
  }
  const name = String(code);
  const unreachable = UNREACHABLE[name];
  if (unreachable !== undefined) return passing('mqtt_unreachable', `cannot be reached (${name})`, unreachable);
  const tls = TLS[name];
  if (tls !== undefined) return settings('mqtt_certificate', `shows a certificate that is not trusted (${name})`, tls);
  if (name.startsWith('ERR_SSL') || name.startsWith('EPROTO')) {
    const hint = 'with TLS it is mqtts:// and usually port 8883, without it mqtt:// and 1883';
    return settings('mqtt_tls', `does not speak TLS there (${name})`, hint);
  }
  const what = error instanceof Error ? error.message : String(error);
  const hint = 'compare MQTT_URL with the address of the broker, and look into its log';
  return passing('mqtt_unreachable', `cannot be reached (${what})`, hint);
}

/** Accepts the connection and does not answer. A broker that does not know the version closes the connection instead. */
export function silent(url: URL): Trouble {
  const hint = 'is that machine well, is it an MQTT broker, and with or without TLS as MQTT_URL says?';
  return troubleOf(url, passing('mqtt_silent', 'takes the connection and does not answer', hint));
}

/** Closes the connection before it has answered. */
export function closedEarly(url: URL): Trouble {
  const hint = 'is it an MQTT broker, and with or without TLS as MQTT_URL says? Its log should tell why';
  return troubleOf(url, passing(WRONG_VERSION, 'hangs up before it has answered', hint));
}

/** The broker was there, and is not any more. */
export function lost(url: URL, reason: number | undefined): Trouble {
  if (reason === undefined) return troubleOf(url, passing('mqtt_lost', 'has gone away', RECONNECTING));
  return troubleOf(url, REASONS[reason] ?? passing('mqtt_lost', `has gone away (reason ${reason})`, RECONNECTING));
}

const RECONNECTING = 'it is called again for ever';

/** The broker keeps the connection and does not accept the message. */
export function refused(topic: string, url: URL, error: Error): Trouble {
  if ('code' in error && !FINAL.has(error.code)) {
    const hint = 'it is tried again; see the limits of the broker, and its log';
    return troubleOf(url, passing(NOT_NOW, `does not take ${topic} now${reasonOf(error)}`, hint));
  }
  const hint = 'allow this user to write there, or see the limits of the broker';
  return troubleOf(url, settings(REFUSED, `does not take ${topic}${reasonOf(error)}`, hint));
}

/** The broker does not accept the subscription. */
export function unheard(topics: readonly string[], url: URL, error: Error): Trouble {
  const hint = 'allow this user to read there; until then a Home Assistant that restarts may show nothing for a while';
  return troubleOf(url, settings(UNHEARD, `does not let us listen to ${topics.join(' and ')}${reasonOf(error)}`, hint));
}

function reasonOf(error: Error): string {
  return 'code' in error ? ` (reason ${error.code})` : '';
}
