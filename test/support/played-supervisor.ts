import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The app authenticates to the Supervisor with this token. */
export const APP_TOKEN = 'token-of-the-app';
/** The address is on this machine, and differs from the one of a browser here. */
export const INGRESS_ADDRESS = '127.0.30.2';
const PREFIX = '/api/hassio_ingress/token-of-the-page';

const FRAME = `<!doctype html><title>Home</title><link rel="icon" href="data:,"><iframe src="${PREFIX}/" width="1200" height="900"></iframe>`;

/** The Supervisor's description of the broker: `supervisor/services/modules/mqtt.py`. */
export interface MqttService {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly ssl?: boolean;
}

/** The parts of Home Assistant's Supervisor that an app uses: the services, and the ingress to the page. */
export interface PlayedSupervisor extends AsyncDisposable {
  /** The URL of its services, and of a page that shows the app in a frame. */
  readonly url: string;
  /** The URL of the page for a browser. */
  readonly pageUrl: string;
  /** The broker; undefined if no app provides the service. */
  mqtt: MqttService | undefined;
  /** The status of every answer; undefined for normal answers. */
  failing: number | undefined;
  /** The number of requests for the broker. */
  readonly asked: () => number;
  /** Points the ingress to this port of the app. */
  lead(port: number): void;
}

export async function playSupervisor(listenOn = 0): Promise<PlayedSupervisor> {
  let asked = 0;
  let target = 0;
  const answer = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const serveMqtt = ({ headers }: IncomingMessage, response: ServerResponse) => {
    asked += 1;
    if (played.failing !== undefined) return void response.writeHead(played.failing).end('<html>');
    if (headers.authorization !== `Bearer ${APP_TOKEN}`) return void response.writeHead(403).end('403: Forbidden');
    if (played.mqtt === undefined) return answer(response, 400, { result: 'error', message: 'Service not enabled' });
    const data = { addon: 'core_mosquitto', protocol: '3.1.1', ssl: false, ...played.mqtt };
    answer(response, 200, { result: 'ok', data });
  };
  /** Forwards with the headers of Home Assistant and of its Supervisor, and the Host of the browser. */
  const pass = (incoming: IncomingMessage, response: ServerResponse) => {
    const headers = {
      ...incoming.headers,
      'x-hass-source': 'core.ingress',
      'x-ingress-path': PREFIX,
      'x-remote-user-id': 'f00d',
      'x-remote-user-name': 'anna',
      'x-forwarded-for': '192.168.1.7, 172.30.32.1',
      'x-forwarded-host': incoming.headers.host,
      'x-forwarded-proto': 'http',
    };
    const path = incoming.url?.slice(PREFIX.length);
    const { method } = incoming;
    const to = { host: '127.0.0.1', port: target, localAddress: INGRESS_ADDRESS, agent: false, method, path, headers };
    const sent = request(to, (answered) => {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response).on('close', () => sent.destroy());
      answered.on('error', () => response.destroy());
    });
    sent.on('error', () => response.destroy());
    incoming.pipe(sent);
  };
  const server = createServer((incoming, response) => {
    if (incoming.url === '/services/mqtt') serveMqtt(incoming, response);
    else if (incoming.url?.startsWith(`${PREFIX}/`)) pass(incoming, response);
    else if (incoming.url === '/') response.setHeader('content-type', 'text/html').end(FRAME);
    else response.writeHead(404).end();
  });
  server.listen(listenOn, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const played: PlayedSupervisor = {
    url: `http://127.0.0.1:${port}`,
    pageUrl: `http://127.0.0.1:${port}${PREFIX}/`,
    mqtt: undefined,
    failing: undefined,
    asked: () => asked,
    lead(port) {
      target = port;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return played;
}
