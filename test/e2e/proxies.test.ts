import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, type Home, startHome, URL_SECRET } from '../support/home.ts';
import { createLocalAuthority, type LocalAuthority, OPENSSL_IS_MISSING, SITE } from '../support/local-authority.ts';
import type { OutsideResult, OutsideTask } from '../support/outside-child.ts';
import { childScript } from '../support/program.ts';
import { type FrontProxy, isMissing, PROXIES, type ProxyName, startProxy } from '../support/proxy.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const FORM = 'application/x-www-form-urlencoded';
const ROUTE = '/withingsWebhook';
const WEIGH_IN = 'userid=1234&appli=1&startdate=1795154462&enddate=1795154463';
/** The client's address differs from the proxy's, and is as foreign as this machine allows. */
const STRANGER = '127.0.0.7';

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface WayIn extends AsyncDisposable {
  readonly home: Home;
  readonly proxy: FrontProxy;
  readonly authority: LocalAuthority;
  readonly ports: { readonly tls: number; readonly plain: number; readonly daemon: number };
  /** The settings of the daemon behind the proxy. */
  readonly env: Readonly<Record<string, string>>;
  /** Sends a request as Withings does: by name, with TLS, and with only the test authority trusted. */
  ask(sent: Sent): Promise<Answer>;
}

async function openWayIn(name: ProxyName, changes: Readonly<Record<string, string>> = {}): Promise<WayIn> {
  const place = await temporaryDirectory();
  const authority = createLocalAuthority(place.path);
  const home = await startHome();
  const ports = { tls: await freePort(), plain: await freePort(), daemon: await freePort() };
  const proxy = await startProxy(name, { directory: place.path, authority, ports, changes });
  return {
    home,
    proxy,
    authority,
    ports,
    env: { PORT: `${ports.daemon}`, CALLBACK_URL: `https://${SITE}${CALLBACK_PATH}` },
    async ask({ method = 'POST', path = CALLBACK_PATH, headers, body }) {
      const sent = request({
        host: '127.0.0.1',
        port: ports.tls,
        localAddress: STRANGER,
        servername: SITE,
        ca: authority.ca,
        agent: false,
        method,
        path,
        headers: { host: SITE, ...(body !== undefined && { 'content-type': FORM }), ...headers },
      });
      const answered = once(sent, 'response');
      // A rejected client cannot send the rest of a long body, but still reads the answer.
      sent.on('error', () => undefined);
      sent.end(body);
      const [response] = await answered;
      return { status: response.statusCode, headers: response.headers, body: await text(response).catch(() => '') };
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

for (const name of PROXIES) {
  const skip = isMissing(name) || OPENSSL_IS_MISSING;

  describe(`${name}, set up by its recipe, in front of weighbridge`, { skip }, () => {
    let way: WayIn;
    before(async () => {
      way = await openWayIn(name);
    });
    after(() => way[Symbol.asyncDispose]());

    it('forwards the callback path with TLS, and nothing else', async () => {
      const privatePort = await freePort();
      await using daemon = await way.home.serve({ ...way.env, STATUS_PORT: `${privatePort}` });
      const head = await way.ask({ method: 'HEAD' });
      assert.deepEqual([head.status, head.body], [200, '']);
      assert.equal((await way.ask({ method: 'GET' })).status, 200);
      const posted = await way.ask({ body: WEIGH_IN });
      assert.deepEqual([posted.status, posted.body], [200, 'ok']);
      await daemon.line(({ event }) => event === 'notification');
      assert.equal((await way.ask({ method: 'PUT', body: 'x' })).status, 405);
      assert.equal((await way.ask({ body: 'userid=1234' })).status, 400);

      const wrong = [`${ROUTE}/wrong-secret`, ROUTE, `${ROUTE}/`, `${CALLBACK_PATH}/more`, `${CALLBACK_PATH}x`, '/'];
      for (const path of wrong) {
        for (const method of ['HEAD', 'GET', 'POST'])
          assert.equal((await way.ask({ method, path })).status, 404, `${method} ${path}`);
      }

      const health = await fetch(`http://127.0.0.1:${privatePort}/healthz`);
      assert.deepEqual([health.status, (await health.text()).includes('"status"')], [200, true]);
      for (const path of ['/healthz', '//healthz', `${ROUTE}/../healthz`, `${ROUTE}/%2e%2e/healthz`]) {
        assert.equal((await way.ask({ method: 'GET', path })).status, 404, path);
      }
      const headers = { host: `127.0.0.1:${privatePort}` };
      assert.ok(!(await way.ask({ method: 'GET', path: '/healthz', headers })).body.includes('"status"'));
    });

    it('forwards the secret in the query', async () => {
      const CALLBACK_URL = `https://${SITE}${ROUTE}?key=${URL_SECRET}`;
      await using daemon = await way.home.serve({ ...way.env, CALLBACK_URL, WEBHOOK_PATH: ROUTE });
      const path = `${ROUTE}?key=${URL_SECRET}`;
      assert.equal((await way.ask({ method: 'HEAD', path })).status, 200);
      assert.equal((await way.ask({ path, body: WEIGH_IN })).body, 'ok');
      await daemon.line(({ event }) => event === 'notification');
      assert.equal((await way.ask({ path: `${ROUTE}?key=wrong`, body: WEIGH_IN })).status, 404);
      assert.equal((await way.ask({ method: 'HEAD', path: ROUTE })).status, 404);
    });

    for (const [TRUST_PROXY, who, expected] of [
      ['loopback', 'the real client', STRANGER],
      ['false', 'only itself without trust', '127.0.0.1'],
    ] as const) {
      it(`names ${who} as the client, whatever the client claims`, async () => {
        await using daemon = await way.home.serve({ ...way.env, TRUST_PROXY });
        const spoofs = [
          {},
          { 'x-forwarded-for': '6.6.6.6' },
          { 'x-forwarded-for': '6.6.6.6, 7.7.7.7', forwarded: 'for=6.6.6.6' },
        ];
        for (const [index, headers] of spoofs.entries()) {
          const userid = `${9000 + index}`;
          assert.equal((await way.ask({ headers, body: `userid=${userid}&appli=1` })).status, 200);
          const line = await daemon.line((each) => each.event === 'notification' && each['userid'] === userid);
          assert.equal(line['caller'], expected, JSON.stringify(headers));
        }
      });
    }

    it('returns the browser from the consent page, and rejects a large body', async () => {
      await using daemon = await way.home.serve(way.env);
      const page = await way.ask({ method: 'GET', path: `${CALLBACK_PATH}?code=the-code&state=made-up` });
      assert.match(page.body, /Link not valid here/);
      assert.match(`${page.headers['content-security-policy']}`, /default-src 'none'/);
      assert.match(`${page.headers['cache-control']}`, /no-store/);

      // Older versions of Caddy report 502 for a body that they reject.
      for (const bytes of [5_000, 50_000, 5_000_000]) {
        const { status = 0 } = await way.ask({ body: `${WEIGH_IN}&note=`.padEnd(bytes, 'x') });
        assert.ok(status === 413 || (name === 'caddy' && bytes > 8_000 && status === 502), `${bytes} bytes: ${status}`);
      }
      assert.equal((await way.ask({ body: WEIGH_IN })).body, 'ok');
      await daemon.line(({ event }) => event === 'notification');
      assert.equal(daemon.lines.filter(({ event }) => event === 'notification').length, 1);
      assert.ok(!daemon.output().includes('the-code'));
    });

    it('logs neither the secret nor a code, also without a running weighbridge', async () => {
      const path = `${CALLBACK_PATH}?code=the-code&state=the-state`;
      const headers = { referer: `https://${SITE}${path}` };
      for (const method of ['HEAD', 'GET', 'POST'])
        assert.equal((await way.ask({ method, path, headers })).status, 502, method);
      const written = way.proxy.written();
      assert.notEqual(written, '');
      for (const secret of [URL_SECRET, 'the-code', 'the-state']) assert.ok(!written.includes(secret), secret);
    });
  });

  describe(`${name}, set up by its recipe and with less patience`, { skip }, () => {
    it('closes the connection of a slow sender, and answers others meanwhile', async () => {
      const limit = name === 'caddy' ? 'read_body' : 'client_body_timeout';
      await using way = await openWayIn(name, { [`${limit} 10s`]: `${limit} 3s` });
      await using daemon = await way.home.serve(way.env);
      const socket = connect({ host: '127.0.0.1', port: way.ports.tls, servername: SITE, ca: way.authority.ca });
      await once(socket, 'secureConnect');
      socket.on('error', () => undefined);
      const closed = once(socket.resume(), 'close');
      const head = `POST ${CALLBACK_PATH} HTTP/1.1\r\nHost: ${SITE}\r\nContent-Type: ${FORM}\r\nContent-Length: 99\r\n\r\n`;
      socket.write(`${head}userid=1234&appli=44&`);
      assert.equal((await way.ask({ body: WEIGH_IN })).body, 'ok');
      await closed;
      assert.equal((await way.ask({ body: WEIGH_IN })).body, 'ok');
      assert.deepEqual(
        daemon.lines.filter(({ appli }) => appli === 44),
        [],
      );
    });
  });
}

const OUTSIDE = childScript('outside-child');
/** The address is reserved for documentation, so it is neither private nor in use. */
const PUBLIC_ADDRESS = '203.0.113.7';
const IN_A_NETWORK_OF_ITS_OWN = ['--net', '--mount', 'sh', '-euc'];
const ENTER = `ip link set lo up; ip addr add ${PUBLIC_ADDRESS}/32 dev lo`;
const asked = spawnSync('unshare', [...IN_A_NETWORK_OF_ITS_OWN, ENTER]);
const NO_NETWORK = asked.status === 0 ? false : 'a network of its own needs root, unshare and ip';

/** Runs the task in a network that has nothing but one public address, and a name server. */
async function runOutside(task: OutsideTask): Promise<OutsideResult> {
  const { directory, authority } = task;
  await writeFile(`${directory}/resolv.conf`, 'nameserver 127.0.0.1\n');
  const script = `${ENTER}; mount --bind "$0/resolv.conf" /etc/resolv.conf; exec "$@"`;
  const command = [process.execPath, OUTSIDE, JSON.stringify(task)];
  const child = spawn('unshare', [...IN_A_NETWORK_OF_ITS_OWN, script, directory, ...command], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: authority.caFile },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(await text(child.stdout));
}

for (const proxy of PROXIES) {
  const skip = isMissing(proxy) || OPENSSL_IS_MISSING || NO_NETWORK;
  it(`behind ${proxy} a person links and weighs in, and the doctor finds no fault`, {
    skip,
  }, async () => {
    await using place = await temporaryDirectory();
    const directory = place.path;
    const authority = createLocalAuthority(directory);
    const { page, weight, caller, findings } = await runOutside({
      proxy,
      directory,
      authority,
      address: PUBLIC_ADDRESS,
    });
    assert.match(page, /1234 is linked/);
    assert.equal(weight, 81.25);
    assert.equal(caller, PUBLIC_ADDRESS);
    assert.deepEqual(
      findings.filter(({ mark }) => mark !== 'ok'),
      [],
    );
    const said = findings.map(({ check, text }) => `${check} ${text}`).join('\n');
    assert.match(said, /^dns me\.example\.org leads to 203\.0\.113\.7$/m);
    assert.match(said, /^certificate is trusted/m);
    assert.match(said, /^callback weighbridge itself answers CALLBACK_URL with 200/m);
    assert.match(said, /^subscription .*subscribed to weight/m);
  });
}
