import type { Source } from '../config/sources.ts';
import type { Clock } from '../domain/clock.ts';
import { retry } from '../domain/retry.ts';
import { asTrouble, explain } from '../domain/trouble.ts';
import { askMqttService, type BrokerLogin } from './mqtt-service.ts';
import { readOptions } from './options.ts';

/** The settings that Home Assistant gives weighbridge as an app. */
export interface HomeAssistant {
  /** The options of the app, instead of `.env`. */
  readonly options: Source;
  /** Home Assistant's MQTT broker as settings, the weakest of all; empty without a broker, or if another is set. */
  readonly broker: Source;
  /** Gets the current broker and login. Undefined if the settings name the broker. */
  readonly askLogin: (() => Promise<Partial<BrokerLogin>>) | undefined;
}

/** The Supervisor starts before its apps, so the waits are short. */
const BACKOFF = { firstMs: 1_000, longestMs: 4_000 };
const RETRIES = 3;
const NO_BROKER =
  'note: Home Assistant has no MQTT broker, so weighbridge publishes nothing. Install the Mosquitto broker app, and restart this one.';

/** @param environment of this process: `SUPERVISOR_OPTIONS` names the file of the options */
export async function openHomeAssistant(
  environment: Source,
  ports: {
    readonly say: (line: string) => void;
    readonly clock: Pick<Clock, 'sleep'>;
    readonly signal: AbortSignal;
  },
): Promise<HomeAssistant> {
  const { say, clock, signal } = ports;
  const options = readOptions(environment['SUPERVISOR_OPTIONS'] ?? '', say);
  const isSet = (name: string) => [environment, options].some((source) => Boolean(source[name]?.trim()));
  const nothing = { options, broker: {}, askLogin: undefined };
  if (isSet('MQTT_URL')) return nothing;
  const { SUPERVISOR_URL: url = 'http://supervisor', SUPERVISOR_TOKEN: token = '' } = environment;
  const ask = async () => {
    const login = await askMqttService({ url, token });
    return login && isSet('MQTT_USERNAME') ? { url: login.url } : login;
  };
  let last: Partial<BrokerLogin>;
  try {
    const first = await retry(ask, { clock, signal, most: RETRIES, backoff: BACKOFF });
    if (first === undefined) say(NO_BROKER);
    if (first === undefined) return nothing;
    last = first;
  } catch (error) {
    say(`warning: ${explain(asTrouble(error))}`);
    return nothing;
  }
  return {
    options,
    broker: { MQTT_URL: last.url?.href, MQTT_USERNAME: last.username, MQTT_PASSWORD: last.password },
    async askLogin() {
      // Without an answer the previous login may still be right, and the broker decides.
      last = (await ask().catch(() => undefined)) ?? last;
      return last;
    },
  };
}
