import { randomBytes } from 'node:crypto';
import type { MqttConfig } from '../config/config.ts';
import { asTrouble, Trouble } from '../domain/trouble.ts';
import { broken, type Finding, ok } from './finding.ts';
import { findingOf } from './trouble.ts';

const TIMEOUT_MS = 10_000;

/**
 * Whether the broker of `MQTT_URL` is there and lets us in. It comes under a name of its own, because a broker ends the
 * connection of whoever has the same one, and says nothing there.
 */
export async function checkBroker(
  { url, username, password, caFile }: MqttConfig,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Finding> {
  const { connectEither } = await import('../publishers/mqtt/connection.ts');
  const clientId = `weighbridgedoctor${randomBytes(3).toString('hex')}`;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const broker = { url, username, password, caFile, clientId, will: undefined };
    const connection = await connectEither(broker, 5, patience);
    await connection.close();
    const version = connection.version === 5 ? '5' : '3.1.1';
    return ok('mqtt', `the MQTT broker ${url.host} lets weighbridge in (MQTT ${version})`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Trouble || !patience.aborted) return findingOf('mqtt', asTrouble(error));
    const remedy = 'compare MQTT_URL: is that machine on, is the port right, and is there a firewall?';
    return broken('mqtt', `the MQTT broker ${url.host} does not answer within ${timeoutMs / 1000} s`, remedy);
  }
}
