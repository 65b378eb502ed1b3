import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** These recipes are written from documentation alone. `proxies.test.ts` runs Caddy and nginx. */
const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));
const read = (name: string) => readFileSync(`${DEPLOY}${name}`, 'utf8');

test('cloudflared forwards the callback path, answers everything else itself, and logs no address', () => {
  const { ingress, loglevel } = parse(read('cloudflared/config.yml'));
  const [callback, rest, ...more] = ingress;
  assert.deepEqual([rest, more], [{ service: 'http_status:404' }, []]);
  assert.equal(callback.service, 'http://127.0.0.1:3000');
  const path = new RegExp(callback.path);
  for (const ours of ['/withingsWebhook', '/withingsWebhook/secret']) assert.match(ours, path);
  for (const other of ['/', '/healthz', '/withingsWebhooks', '/a/withingsWebhook/secret'])
    assert.doesNotMatch(other, path);
  assert.equal(loglevel, 'fatal');
});

test('ngrok forwards the callback path, answers everything else itself, and shows no request', () => {
  const { version, agent, endpoints } = parse(read('ngrok/ngrok.yml'));
  assert.equal(version, 3);
  assert.deepEqual([agent.web_addr, agent.inspect_db_size], [false, -1]);
  const [{ url, upstream, traffic_policy: policy }, ...more] = endpoints;
  assert.deepEqual(more, []);
  assert.match(url, /^https:\/\/[^/:]+$/);
  assert.equal(upstream.url, 'http://127.0.0.1:3000');
  const [rule] = policy.on_http_request;
  assert.deepEqual(rule.expressions, ["!req.url.path.startsWith('/withingsWebhook')"]);
  assert.equal(rule.actions[0].config.status_code, 404);
});

test('no recipe leads to the status port', () => {
  for (const name of ['caddy/Caddyfile', 'nginx/weighbridge.conf', 'cloudflared/config.yml', 'ngrok/ngrok.yml'])
    assert.doesNotMatch(read(name), /3001/, name);
});
