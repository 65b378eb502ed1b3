import { reachable, reasonOf } from '../http/probe.ts';
import { readSettings } from './open-command.ts';
import { ExitCode, type Shell } from './shell.ts';

/** Longer than any answer takes, because `/healthz` does not wait for the network. */
const TIMEOUT_MS = 10_000;

/** Prints the answer of the running weighbridge at `/healthz`, and fails on trouble. The container's health check. */
export async function printHealthz(shell: Shell): Promise<ExitCode> {
  const { host, port, password } = readSettings(shell, 'files').status;
  if (port === undefined) {
    shell.say('skipped: STATUS_PORT=0 turns the status port off');
    return ExitCode.done;
  }
  const url = `http://${reachable(host)}:${port}/healthz`;
  const signal = AbortSignal.any([shell.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const headers = { authorization: `Basic ${Buffer.from(`:${password ?? ''}`).toString('base64')}` };
  try {
    const answer = await fetch(url, { headers, redirect: 'manual', signal });
    shell.print((await answer.text()).trimEnd());
    return answer.status === 200 ? ExitCode.done : ExitCode.failed;
  } catch (error) {
    const reason = reasonOf(error);
    shell.say(`error: weighbridge does not answer at ${url} (${reason})`);
    if (reason === 'ECONNREFUSED')
      shell.say('Start it with "weighbridge serve". For a service: sudo weighbridge service status.');
    return ExitCode.failed;
  }
}
