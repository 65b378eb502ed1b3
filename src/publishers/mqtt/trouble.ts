import { errorCode, type Recovery, TOO_MANY_OPEN, Trouble } from '../../domain/trouble.ts';
import { LONGEST_INCOMING, type Message, type Terms } from './packet.ts';

/** The broker does not support this version of MQTT. Some brokers then close the connection without an answer. */
export const WRONG_VERSION = 'mqtt_version';
/** The broker does not accept messages on one topic, now or later. */
export const REFUSED = 'mqtt_publish';
/** The broker does not accept a message now: it reached one of its limits, or gives no reason. */
export const NOT_NOW = 'mqtt_not_now';
/**
 * Reason codes of a PUBACK after which the same message will be refused again: unspecified, not authorized, the name of
 * the topic, too large, the format of the payload. MQTT 5, table 3-4.
 */
const FINAL: ReadonlySet<unknown> = new Set([128, 135, 144, 149, 153]);
/** The connection ended without a reason, or with one that is not about a message. */
export const LOST = 'mqtt_lost';
/** The broker ended the connection because it does not accept such a message. */
export const EXCEEDED = 'mqtt_exceeded';
/** The broker sends a packet that is too long for us. */
export const TOO_LONG = 'mqtt_too_long';
/** The broker keeps no messages for later subscribers, not even our will. */
export const NO_RETAIN = 'mqtt_no_retain';
/** The broker accepts no message with QoS 1, not even our will. */
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
  'rejected the user name or the password',
  'Compare MQTT_USERNAME and MQTT_PASSWORD with the broker. In Home Assistant, use a separate user.',
);
const FORBIDDEN: Facts = settings(
  'mqtt_forbidden',
  'rejected the connection (not authorized)',
  'Set MQTT_USERNAME and MQTT_PASSWORD, or allow this user at the broker.',
);
const BUSY: Facts = passing(
  'mqtt_busy',
  'is not ready',
  'weighbridge retries automatically. If this lasts, check the log of the broker.',
);
const VERSION: Facts = passing(
  WRONG_VERSION,
  'does not support this MQTT version',
  'weighbridge tries an older version.',
);

const ONE_OF_TWO = 'Stop one of the two, or change its MQTT_PREFIX.';
const UNRETAINED: Facts = settings(
  NO_RETAIN,
  'does not keep messages, so Home Assistant shows no values before the next weigh-in',
  'Allow retained messages at the broker (Mosquitto: retain_available true).',
);
const UNCONFIRMED: Facts = settings(
  NO_QOS,
  'accepts only messages with QoS 0, so a weigh-in can get lost',
  'Allow QoS 1 at the broker (Mosquitto: remove max_qos).',
);
const SEE_LIMITS =
  'Check the log of the broker and its limits (Mosquitto: message_size_limit, max_packet_size, acl_file).';

/** A DISCONNECT because the message exceeded a limit of the broker. */
function exceeded(what: string, reason: number): Facts {
  return settings(EXCEEDED, `closed the connection because of a message: ${what} (reason ${reason})`, SEE_LIMITS);
}

/** Reason codes of CONNACK and DISCONNECT: MQTT 3.1.1, table 3.1, and MQTT 5, tables 3-1 and 3-10. */
const REASONS: Readonly<Record<number, Facts>> = {
  1: VERSION,
  2: settings('mqtt_client_id', 'rejected the client id of weighbridge', 'Check the log of the broker.'),
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
  142: settings(TAKEN_OVER, 'closed this connection because another client uses the same MQTT_PREFIX', ONE_OF_TWO),
  144: exceeded('the name of its topic', 144),
  149: exceeded('its size', 149),
  153: exceeded('the format of its payload', 153),
  154: UNRETAINED,
  155: UNCONFIRMED,
};

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED:
    'The broker refused the connection. Start the broker, and check the port in MQTT_URL (1883, or 8883 with TLS).',
  ENOTFOUND: 'Host name not found. Check MQTT_URL, or use an IP address.',
  ...TOO_MANY_OPEN,
  EAI_AGAIN: 'DNS does not work. Check the network connection.',
  EHOSTUNREACH: 'Host unreachable. Check that the broker is switched on and in the same network.',
  ENETUNREACH: 'No route to this network. Check the network connection.',
  ETIMEDOUT: 'No answer. Check MQTT_URL and the firewall.',
};

const TLS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'The certificate is self-signed. Set MQTT_CA_FILE to this certificate.',
  SELF_SIGNED_CERT_IN_CHAIN:
    'The certificate comes from a private certificate authority. Set MQTT_CA_FILE to its certificate.',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'The issuer of the certificate is not trusted. Set MQTT_CA_FILE to the certificate of the issuer.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'The issuer of the certificate is not trusted. Set MQTT_CA_FILE to the certificate of the issuer.',
  CERT_HAS_EXPIRED: 'The certificate expired. Renew the certificate, or correct the clock of this computer.',
  CERT_NOT_YET_VALID: 'The certificate is not valid yet. Check the clock of this computer.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'The certificate is for another name. Use the name of the certificate in MQTT_URL.',
};

function troubleOf({ host }: URL, { message, ...facts }: Facts): Trouble {
  return new Trouble(`the MQTT broker ${host} ${message}`, facts);
}

/** Why the broker cannot be reached or refuses us, and the fix. */
export function asBrokerTrouble(error: unknown, url: URL): Trouble {
  return error instanceof Trouble ? error : troubleOf(url, judge(error));
}

/** TLS alerts with which a broker requires a client's certificate, or rejects ours. */
const CLIENT_CERTIFICATE =
  /^ERR_SSL_.*(ALERT_CERTIFICATE|ALERT_BAD_CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_HANDSHAKE_FAILURE)/;

const TOO_LONG_FOR_WS = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

function judge(error: unknown): Facts {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'number') {
    return (
      REASONS[code] ??
      passing('mqtt_refused', `rejected the connection (reason ${code})`, 'Check the log of the broker.')
    );
  }
  const name = String(code);
  const unreachable = UNREACHABLE[name];
  if (unreachable !== undefined) return passing('mqtt_unreachable', `cannot be reached (${name})`, unreachable);
  const tls = TLS[name];
  if (tls !== undefined) return settings('mqtt_certificate', `has a certificate that is not trusted (${name})`, tls);
  if (CLIENT_CERTIFICATE.test(name)) {
    const hint = 'Set MQTT_CERT_FILE and MQTT_KEY_FILE to a certificate from the certificate authority of the broker.';
    return settings('mqtt_client_certificate', `requires a different client certificate (${name})`, hint);
  }
  if (name === TOO_LONG_FOR_WS) return tooLong('a long message');
  if (name.startsWith('ERR_SSL') || name.startsWith('EPROTO')) {
    const hint = 'Use mqtts:// and usually port 8883 with TLS, or mqtt:// and port 1883 without TLS.';
    return settings('mqtt_tls', `does not use TLS on this port (${name})`, hint);
  }
  const what = error instanceof Error ? error.message : String(error);
  const hint = 'Compare MQTT_URL with the address of the broker, and check the log of the broker.';
  return passing('mqtt_unreachable', `cannot be reached (${what})`, hint);
}

/** The broker accepts the connection and does not answer. One that does not support the version closes it instead. */
export function silent(url: URL): Trouble {
  const hint = 'Check the port in MQTT_URL, and whether the broker uses TLS. Check the log of the broker.';
  return troubleOf(url, passing('mqtt_silent', 'accepted the connection, but does not answer', hint));
}

/** The broker closes the connection before it answers. */
export function closedEarly(url: URL): Trouble {
  const hint = 'Check the port in MQTT_URL, and whether the broker uses TLS. Check the log of the broker.';
  return troubleOf(url, passing(WRONG_VERSION, 'closed the connection before answering', hint));
}

/**
 * The broker was connected, and no longer is.
 *
 * @param why the reason code of the DISCONNECT, or the error of the connection, if there is one
 */
export function lost(url: URL, why: unknown): Trouble {
  if (why instanceof Trouble) return why;
  return troubleOf(url, typeof why === 'number' ? ending(why) : failing(why));
}

function ending(reason: number): Facts {
  return REASONS[reason] ?? passing(LOST, `closed the connection (reason ${reason})`, RECONNECTING);
}

function failing(error: unknown): Facts {
  if (!(error instanceof Error)) return passing(LOST, 'closed the connection', RECONNECTING);
  const code = errorCode(error);
  if (code === TOO_LONG_FOR_WS) return tooLong('a long message');
  // Mosquitto refuses a message above its message_size_limit with a reason that MQTT 5 does not allow there.
  if (error.message.startsWith('Invalid puback')) return settings(EXCEEDED, 'rejected a message', SEE_LIMITS);
  return passing(LOST, `closed the connection (${code ?? error.message})`, RECONNECTING);
}

const RECONNECTING = 'weighbridge reconnects automatically.';

/** The broker has not acknowledged a message for so long that a new connection may work. */
export function unanswered(url: URL): Trouble {
  return troubleOf(url, passing('mqtt_silent', 'does not acknowledge messages', RECONNECTING));
}

/** The broker closes the connection again and again without a reason. */
export function takenOver(host: string, times: number): Trouble {
  const message = `the MQTT broker ${host} closed ${times} connections in a row without a reason`;
  const hint = `Another weighbridge probably uses the same MQTT_PREFIX. ${ONE_OF_TWO}`;
  return new Trouble(message, { code: TAKEN_OVER, recovery: 'settings', hint });
}

/** The broker sends a packet that is too long for us, by its header. */
export function tooLongFromBroker(url: URL, bytes: number): Trouble {
  return troubleOf(url, tooLong(`a message of ${inBytes(bytes)}`));
}

function tooLong(what: string): Facts {
  const hint =
    'weighbridge closed the connection. Clear the retained message on Home Assistant’s status topic: mosquitto_pub -r -n -t homeassistant/status';
  return settings(TOO_LONG, `sent ${what}. weighbridge accepts at most ${inBytes(LONGEST_INCOMING)}`, hint);
}

/** The broker keeps the connection and does not accept the message. */
export function refused(message: Message, url: URL, error: Error): Trouble {
  const { topic, payload } = message;
  const reason = errorCode(error);
  if (reason !== undefined && !FINAL.has(Number(reason))) {
    const hint = 'weighbridge retries automatically. Check the log of the broker and its limits.';
    return troubleOf(url, passing(NOT_NOW, `does not accept ${topic} now${reasonOf(error)}`, hint));
  }
  const hint =
    reason === '149'
      ? `The message has ${inBytes(Buffer.byteLength(payload))}. Raise the limit of the broker (Mosquitto: message_size_limit).`
      : 'Allow this user to write to the topic, or check the limits of the broker.';
  return troubleOf(url, settings(REFUSED, `does not accept ${topic}${reasonOf(error)}`, hint));
}

/** The message is longer than the broker's announced limit. It was not sent. */
export function tooLarge({ topic }: Message, url: URL, bytes: number, limit: number): Trouble {
  const message = `accepts at most ${inBytes(limit)}, but ${topic} needs ${inBytes(bytes)}`;
  return troubleOf(url, settings(REFUSED, message, 'Raise the limit of the broker (Mosquitto: max_packet_size).'));
}

/** The broker ended the connection at this message, and would do so again. weighbridge does not send it for a while. */
export function endedAt({ topic, payload }: Message, url: URL): Trouble {
  const message = `closed the connection at a message on ${topic} (${inBytes(Buffer.byteLength(payload))})`;
  return troubleOf(url, settings(REFUSED, message, `${SEE_LIMITS} weighbridge retries in an hour.`));
}

/** The missing features of a broker, and their consequences. */
export function limitsOf(url: URL, { retains, qos }: Pick<Terms, 'retains' | 'qos'>): readonly Trouble[] {
  const found = [retains ? undefined : UNRETAINED, qos === 1 ? undefined : UNCONFIRMED];
  return found.flatMap((facts) => (facts === undefined ? [] : [troubleOf(url, facts)]));
}

/** A message on one of these topics was too long, so weighbridge does not subscribe there for a while. */
export function deaf(topics: readonly string[], url: URL): Trouble {
  const message = `sent a message that is too long. weighbridge ignores ${topics.join(' and ')} for an hour`;
  return troubleOf(url, settings(UNHEARD, message, `Clear the retained message: mosquitto_pub -r -n -t ${topics[0]}`));
}

/** The broker does not accept the subscription. */
export function unheard(topics: readonly string[], url: URL, error: Error): Trouble {
  const hint =
    'Allow this user to read the topic. Until then, Home Assistant may show nothing for a while after a restart.';
  return troubleOf(
    url,
    settings(UNHEARD, `rejected the subscription to ${topics.join(' and ')}${reasonOf(error)}`, hint),
  );
}

function reasonOf(error: Error): string {
  return 'code' in error ? ` (reason ${error.code})` : '';
}

function inBytes(count: number): string {
  return `${count.toLocaleString('en-US')} bytes`;
}
