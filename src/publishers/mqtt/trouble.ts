import { errorCode, type Recovery, TOO_MANY_OPEN, Trouble } from '../../domain/trouble.ts';
import { LONGEST_INCOMING, type Message, type Terms } from './packet.ts';

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
/** The connection has ended without a reason, or with one that says nothing about a message. */
export const LOST = 'mqtt_lost';
/** The broker has ended the connection because it does not take such a message. */
export const EXCEEDED = 'mqtt_exceeded';
/** The broker sends a packet that is too long for us. */
export const TOO_LONG = 'mqtt_too_long';
/** The broker does not keep messages for later subscribers, and not even our will. */
export const NO_RETAIN = 'mqtt_no_retain';
/** The broker takes no message with QoS 1, and not even our will. */
export const NO_QOS = 'mqtt_no_qos';
/** Another client with our id is connected. */
export const TAKEN_OVER = 'mqtt_taken_over';
/** The broker does not accept our subscription. */
export const UNHEARD = 'mqtt_subscribe';
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

const ONE_OF_TWO = 'stop one of the two, or give it another MQTT_PREFIX';
const UNRETAINED: Facts = settings(
  NO_RETAIN,
  'does not keep messages: Home Assistant shows values only from the next weigh-in on',
  'allow retained messages at the broker (Mosquitto: retain_available true)',
);
const UNCONFIRMED: Facts = settings(
  NO_QOS,
  'takes messages with QoS 0 only: a weigh-in can get lost on its way',
  'allow QoS 1 at the broker (Mosquitto: remove max_qos)',
);
const SEE_LIMITS = 'see the broker’s log and its limits (Mosquitto: message_size_limit, max_packet_size, acl_file)';

/** Of a DISCONNECT: what about the message was too much for the broker. */
function exceeded(what: string, reason: number): Facts {
  return settings(EXCEEDED, `closes the connection because of a message: ${what} (reason ${reason})`, SEE_LIMITS);
}

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
  142: settings(TAKEN_OVER, 'has given our place to another weighbridge with the same MQTT_PREFIX', ONE_OF_TWO),
  144: exceeded('the name of its topic', 144),
  149: exceeded('its size', 149),
  153: exceeded('the format of its payload', 153),
  154: UNRETAINED,
  155: UNCONFIRMED,
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

/** TLS alerts with which a broker asks for a client's certificate, or turns ours down. */
const CLIENT_CERTIFICATE =
  /^ERR_SSL_.*(ALERT_CERTIFICATE|ALERT_BAD_CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_HANDSHAKE_FAILURE)/;

const TOO_LONG_FOR_WS = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

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
  if (CLIENT_CERTIFICATE.test(name)) {
    const hint =
      'set MQTT_CERT_FILE and MQTT_KEY_FILE to a certificate that the broker’s certificate authority has signed';
    return settings('mqtt_client_certificate', `wants a certificate of ours, or another than it got (${name})`, hint);
  }
  if (name === TOO_LONG_FOR_WS) return tooLong('a message');
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

/**
 * The broker was there, and is not any more.
 *
 * @param why the reason code of the DISCONNECT, or the error of the connection, if there is one
 */
export function lost(url: URL, why: unknown): Trouble {
  if (why instanceof Trouble) return why;
  return troubleOf(url, typeof why === 'number' ? ending(why) : failing(why));
}

function ending(reason: number): Facts {
  return REASONS[reason] ?? passing(LOST, `has gone away (reason ${reason})`, RECONNECTING);
}

function failing(error: unknown): Facts {
  if (!(error instanceof Error)) return passing(LOST, 'has gone away', RECONNECTING);
  const code = errorCode(error);
  if (code === TOO_LONG_FOR_WS) return tooLong('a message');
  // Mosquitto refuses a message above its message_size_limit with a reason that MQTT 5 does not have there.
  if (error.message.startsWith('Invalid puback')) return settings(EXCEEDED, 'refuses a message', SEE_LIMITS);
  return passing(LOST, `has gone away (${code ?? error.message})`, RECONNECTING);
}

const RECONNECTING = 'it is called again for ever';

/** Has not acknowledged a message for so long that another connection may do better. */
export function unanswered(url: URL): Trouble {
  return troubleOf(url, passing('mqtt_silent', 'does not acknowledge messages', RECONNECTING));
}

/** The broker gives no reason, and does so again and again. */
export function takenOver(host: string, times: number): Trouble {
  const message = `the MQTT broker ${host} has closed ${times} connections in a row without a reason`;
  const hint = `most likely another weighbridge with the same MQTT_PREFIX is connected: ${ONE_OF_TWO}`;
  return new Trouble(message, { code: TAKEN_OVER, recovery: 'settings', hint });
}

/** The broker sends a packet that is too long for us; its header has announced it. */
export function tooLongFromBroker(url: URL, bytes: number): Trouble {
  return troubleOf(url, tooLong(`a message of ${inBytes(bytes)}`));
}

function tooLong(what: string): Facts {
  const hint =
    'weighbridge has closed the connection. Clear what is retained on Home Assistant’s status topic: mosquitto_pub -r -n -t homeassistant/status';
  return settings(TOO_LONG, `sends ${what}, and weighbridge takes ${inBytes(LONGEST_INCOMING)} at most`, hint);
}

/** The broker keeps the connection and does not accept the message. */
export function refused(message: Message, url: URL, error: Error): Trouble {
  const { topic, payload } = message;
  const reason = errorCode(error);
  if (reason !== undefined && !FINAL.has(Number(reason))) {
    const hint = 'it is tried again; see the limits of the broker, and its log';
    return troubleOf(url, passing(NOT_NOW, `does not take ${topic} now${reasonOf(error)}`, hint));
  }
  const hint =
    reason === '149'
      ? `the broker’s limit is below its ${inBytes(Buffer.byteLength(payload))}: raise it (Mosquitto: message_size_limit)`
      : 'allow this user to write there, or see the limits of the broker';
  return troubleOf(url, settings(REFUSED, `does not take ${topic}${reasonOf(error)}`, hint));
}

/** The message is longer than the broker has announced that it takes. It was not sent. */
export function tooLarge({ topic }: Message, url: URL, bytes: number, limit: number): Trouble {
  const message = `takes ${inBytes(limit)} at most, and ${topic} needs ${inBytes(bytes)}`;
  return troubleOf(url, settings(REFUSED, message, 'raise the limit of the broker (Mosquitto: max_packet_size)'));
}

/** The broker has ended the connection at this message, and would do so again. It is not sent for a while. */
export function endedAt({ topic, payload }: Message, url: URL): Trouble {
  const message = `closes the connection at a message on ${topic} (${inBytes(Buffer.byteLength(payload))})`;
  return troubleOf(url, settings(REFUSED, message, `${SEE_LIMITS}; weighbridge tries it again in an hour`));
}

/** What a broker does not offer, and what comes of that. */
export function limitsOf(url: URL, { retains, qos }: Pick<Terms, 'retains' | 'qos'>): readonly Trouble[] {
  const found = [retains ? undefined : UNRETAINED, qos === 1 ? undefined : UNCONFIRMED];
  return found.flatMap((facts) => (facts === undefined ? [] : [troubleOf(url, facts)]));
}

/** A message on one of these topics was too long, so weighbridge does not listen there for a while. */
export function deaf(topics: readonly string[], url: URL): Trouble {
  const message = `has sent a message that is too long: weighbridge does not listen to ${topics.join(' and ')} for an hour`;
  return troubleOf(
    url,
    settings(UNHEARD, message, `clear what is retained there, such as with: mosquitto_pub -r -n -t ${topics[0]}`),
  );
}

/** The broker does not accept the subscription. */
export function unheard(topics: readonly string[], url: URL, error: Error): Trouble {
  const hint = 'allow this user to read there; until then a Home Assistant that restarts may show nothing for a while';
  return troubleOf(url, settings(UNHEARD, `does not let us listen to ${topics.join(' and ')}${reasonOf(error)}`, hint));
}

function reasonOf(error: Error): string {
  return 'code' in error ? ` (reason ${error.code})` : '';
}

function inBytes(count: number): string {
  return `${count.toLocaleString('en-US')} bytes`;
}
