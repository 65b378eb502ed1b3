import { createServer } from 'node:http';
import { realClock } from '../../src/runtime/real-clock.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { CLIENT } from './home.ts';

/**
 * A Withings for another machine or namespace, with a port to play the scale by hand:
 * `node played-withings.js PORT CONTROL`, then `curl http://127.0.0.1:CONTROL/weigh?user=1234&kilograms=81.25`.
 */
const [port, control] = process.argv.slice(2).map(Number);
const sandbox = await startSandbox({ clock: realClock, client: CLIENT, port: port ?? 0 });

const ACTIONS: Readonly<Record<string, (ask: URLSearchParams) => unknown>> = {
  '/link': (ask) => sandbox.grants.link(ask.get('user') ?? ''),
  '/subscribe': (ask) => sandbox.subscribe(ask.get('user') ?? '', ask.get('url') ?? '', 1),
  '/weigh': (ask) => sandbox.weigh(ask.get('user') ?? '', weighIn(ask)).then(() => 'weighed'),
  '/store': (ask) => sandbox.store(ask.get('user') ?? '', weighIn(ask)).length,
};

function weighIn(ask: URLSearchParams) {
  return { kilograms: Number(ask.get('kilograms')), date: Math.floor(Date.now() / 1000) - 5 };
}

createServer(async ({ url = '' }, response) => {
  const { pathname, searchParams } = new URL(url, 'http://control');
  response.end(`${await ACTIONS[pathname]?.(searchParams)}\n`);
}).listen(control, '127.0.0.1');
process.stdout.write('Withings is played\n');
