import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { errorCode, Trouble } from '../domain/trouble.ts';

/** Home Assistant's Supervisor, and the token of this app. */
export interface Access {
  /** For example `http://supervisor`. */
  readonly url: string;
  readonly token: string;
}

/** The address of Home Assistant's MQTT broker, and an app's login. */
export interface BrokerLogin {
  readonly url: URL;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** The Supervisor answers from memory. */
const TIMEOUT_MS = 5_000;

/**
 * Gets the broker from the Supervisor.
 *
 * @returns undefined if Home Assistant has none
 * @throws Trouble if there is no readable answer
 */
export async function askMqttService({ url, token }: Access): Promise<BrokerLogin | undefined> {
  const { status, body } = await get(new URL('/services/mqtt', url), token);
  // "Service not enabled"
  if (status === 400) return undefined;
  const login = status === 200 ? readLogin(body) : undefined;
  if (login === undefined) throw unanswered(`HTTP ${status}`);
  return login;
}

async function get(url: URL, token: string): Promise<{ readonly status: number; readonly body: string }> {
  const headers = { authorization: `Bearer ${token}` };
  const sent = request(url, { headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) });
  try {
    sent.end();
    const [response] = await once(sent, 'response');
    return { status: response.statusCode, body: await text(response) };
  } catch (error) {
    throw unanswered(errorCode(error) ?? String(error));
  }
}

function readLogin(body: string): BrokerLogin | undefined {
  try {
    const { host, port, ssl, username, password } = JSON.parse(body).data;
    const url = `${ssl === true ? 'mqtts' : 'mqtt'}://${host}:${port}`;
    const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
    if (textOf(host) === undefined || !URL.canParse(url)) return undefined;
    return { url: new URL(url), username: textOf(username), password: textOf(password) };
  } catch {
    return undefined;
  }
}

function unanswered(why: string): Trouble {
  const message = `Home Assistant does not report the address of its MQTT broker (${why})`;
  return new Trouble(message, { code: 'mqtt_service', recovery: 'retry', hint: 'Restart the app, or set MQTT_URL.' });
}
