import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/config/config.ts';
import { examineAtStart } from '../../src/doctor/at-start.ts';
import { checkDns, judgeCallbackUrl, judgeCertificate, judgeHead } from '../../src/doctor/callback.ts';
import { checkDirectory } from '../../src/doctor/directory.ts';
import type { Finding, Mark } from '../../src/doctor/finding.ts';
import { checkFlock, judgeClock, judgeNode, judgeSettings, OLDEST_NODE } from '../../src/doctor/host.ts';
import { judgeSubscriptions } from '../../src/doctor/withings.ts';
import { nodeFiles } from '../../src/storage/files.ts';
import { ANNA } from '../support/people.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const SECRET = '0c3f9a1b27de4c58';
const NOW = new Date('2026-11-20T06:00:00Z');
const DAY_MS = 86_400_000;

describe('a callback URL', () => {
  const cases: readonly (readonly [url: string, mark: Mark, text: RegExp])[] = [
    [`https://me.example.org/withingsWebhook/${SECRET}`, 'ok', /rules of Withings \(me\.example\.org\)/],
    [`https://me.example.org:443/${SECRET}`, 'ok', /rules of Withings/],
    [`https://me.example.org:80/${SECRET}`, 'ok', /rules of Withings/],
    [`https://me.example.org:8443/${SECRET}`, 'broken', /has port 8443/],
    [`http://me.example.org/${SECRET}`, 'broken', /does not begin with https/],
    [`https://203.0.113.7/${SECRET}`, 'broken', /has an IP address/],
    [`https://[2001:db8::7]/${SECRET}`, 'broken', /has an IP address/],
    [`https://raspberrypi.local/${SECRET}`, 'broken', /host name of your own network/],
    [`https://raspberrypi/${SECRET}`, 'broken', /host name of your own network/],
    [`https://nas.fritz.box/${SECRET}`, 'broken', /host name of your own network/],
    [`https://localhost/${SECRET}`, 'broken', /address of this computer/],
    [`http://127.0.0.1:3000/${SECRET}`, 'broken', /address of this computer/],
    [`https://me.example.org/${'x'.repeat(250)}`, 'broken', /has 273 characters/],
    [`https://me.example.org/${'x'.repeat(232)}`, 'ok', /rules of Withings/],
  ];
  for (const [url, mark, text] of cases) {
    it(`like ${url.slice(0, 60)} is ${mark}`, () => {
      const findings = judgeCallbackUrl(url, { sandbox: false });
      assert.deepEqual(
        findings.map((finding) => finding.mark),
        [mark],
      );
      assert.match(findings[0]?.text ?? '', text);
      assert.ok(!JSON.stringify(findings).includes(SECRET));
    });
  }

  it('on this machine is a warning also if Withings is on this machine', () => {
    const [finding] = judgeCallbackUrl('http://127.0.0.1:3000/x', { sandbox: true });
    assert.equal(finding?.mark, 'warning');
  });

  it('with several faults has each of them named', () => {
    const findings = judgeCallbackUrl(`https://203.0.113.7:3000/${'x'.repeat(300)}`, { sandbox: false });
    assert.equal(findings.length, 3);
  });
});

it('a missing client has setup as its fix', () => {
  const remedies = judgeSettings(parseConfig({})).map(({ remedy }) => remedy);
  assert.equal(remedies.length, 2);
  for (const remedy of remedies) assert.match(remedy ?? '', /Or run "weighbridge setup"/);
  const [port] = judgeSettings(parseConfig({ PORT: 'abc' })).filter(({ text }) => text.startsWith('PORT'));
  assert.doesNotMatch(port?.remedy ?? '', /setup/);
});

it('a subscription that Withings rejected is a warning during polling, and broken otherwise', () => {
  const callbackUrl = `https://me.example.org/${SECRET}`;
  const wanted = { userId: ANNA, name: 'Anna', callbackUrl, applis: [1], hitch: 'no head (293)', isLeft: false };
  const polled = judgeSubscriptions([], { ...wanted, pollMs: 600_000 });
  assert.equal(polled.mark, 'warning');
  assert.match(polled.text, /not subscribed to weight \(1\) \(no head \(293\)\), now polling every 10 min/);
  assert.equal(judgeSubscriptions([], { ...wanted, pollMs: undefined }).mark, 'broken');
});

describe('the clock', () => {
  const at = (offMs: number) => new Date(NOW.getTime() + offMs);
  const cases: readonly (readonly [offMs: number, mark: Mark, text: RegExp])[] = [
    [0, 'ok', /within 0 s/],
    [-60_000, 'ok', /within 60 s/],
    [61_000, 'warning', /1 min ahead of/],
    [-300_000, 'warning', /5 min behind/],
    [301_000, 'broken', /5 min ahead of/],
    [-3 * 3_600_000, 'broken', /3 h behind/],
    [-400 * DAY_MS, 'broken', /400 days behind/],
  ];
  for (const [offMs, mark, text] of cases) {
    it(`${offMs / 1000} s off is ${mark}`, () => {
      const finding = judgeClock(at(offMs), NOW);
      assert.equal(finding.mark, mark);
      assert.match(finding.text, text);
    });
  }

  it('that shows 1970 is broken also without a server to compare', () => {
    assert.equal(judgeClock(new Date(0), undefined).mark, 'broken');
    assert.equal(judgeClock(NOW, undefined).mark, 'ok');
  });
});

describe('a certificate', () => {
  const cases: readonly (readonly [days: number, distrust: string | undefined, mark: Mark, text: RegExp])[] = [
    [60, undefined, 'ok', /valid until 2027-01-19/],
    [13, undefined, 'warning', /expires in 13 days/],
    [-1, 'CERT_HAS_EXPIRED', 'broken', /expired on 2026-11-19/],
    [-1, undefined, 'broken', /expired on 2026-11-19/],
    [60, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'broken', /without the certificate of its issuer/],
    [60, 'CERT_NOT_YET_VALID', 'broken', /not valid yet/],
    [60, 'SOMETHING_ELSE', 'broken', /SOMETHING_ELSE/],
  ];
  for (const [days, distrust, mark, text] of cases) {
    it(`for ${days} more days${distrust === undefined ? '' : ` and ${distrust}`} is ${mark}`, () => {
      const finding = judgeCertificate({ validTo: new Date(NOW.getTime() + days * DAY_MS), distrust }, NOW);
      assert.equal(finding.mark, mark);
      assert.match(finding.text, text);
    });
  }
});

describe('the addresses of a host name', () => {
  for (const [addresses, mark] of [
    [['203.0.113.7'], 'ok'],
    [['192.168.1.5', '203.0.113.7'], 'ok'],
    [['2001:db8::7'], 'ok'],
    [['10.1.2.3'], 'broken'],
    [['100.100.1.1'], 'broken'],
    [['172.31.0.1', '169.254.1.1'], 'broken'],
    [['fe80::1', '::1'], 'broken'],
  ] as const) {
    it(`that are ${addresses.join(' and ')} are ${mark}`, async () => {
      const { finding } = await checkDns('me.example.org', async () => addresses);
      assert.equal(finding.mark, mark);
    });
  }
});

describe('the answer to a HEAD', () => {
  const probe = { status: 200, isOurs: true, isHere: true, location: undefined, ms: 80, error: undefined };
  const at = { url: `https://me.example.org/${SECRET}`, port: 3000 };

  it('in time and by this weighbridge is fine', () => {
    assert.deepEqual(judgeHead(probe, at), {
      check: 'callback',
      mark: 'ok',
      text: 'weighbridge itself answers CALLBACK_URL with 200 in 0.1 s',
    });
  });

  for (const status of [100, 206, 301, 400, 404, 410, 429, 500, 501, 504, 521, 530, 999]) {
    it(`of status ${status} is broken, and has a fix`, () => {
      const finding = judgeHead({ ...probe, status, isOurs: false, isHere: false }, at);
      assert.equal(finding.mark, 'broken');
      assert.match(finding.text, new RegExp(`${status}`));
      assert.ok(finding.remedy);
    });
  }

  for (const location of [
    `/elsewhere/${SECRET}`,
    `https://me.example.org/${SECRET}/`,
    `//[${SECRET}`,
    `?x=${SECRET}`,
  ]) {
    it(`that leads to ${location} does not repeat the secret`, () => {
      const finding = judgeHead({ ...probe, status: 302, isOurs: false, isHere: false, location }, at);
      assert.match(finding.text, /redirected to/);
      assert.ok(!JSON.stringify(finding).includes(SECRET));
    });
  }
});

describe('the platform', () => {
  const on = (version: string, architecture = 'arm64') => judgeNode({ version, architecture });

  it('is fine from the version in package.json on', () => {
    const manifest: { engines: { node: string } } = JSON.parse(
      readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
    );
    assert.equal(manifest.engines.node, `>=${OLDEST_NODE}`);
    for (const version of ['v20.19.0', 'v20.20.2', 'v22.0.0', '24.1.0', 'v26.0.0-nightly']) {
      assert.equal(on(version).mark, 'ok', version);
    }
    for (const version of ['v18.20.4', 'v20.18.3', 'v20.9.0', '9.0.0'])
      assert.equal(on(version).mark, 'broken', version);
  });

  it('with 32 bits is fine, with a note', () => {
    assert.match(on('v20.19.0', 'arm').text, /; Node 22 is the last version for 32-bit systems/);
    assert.equal(on('v20.19.0', 'arm').mark, 'ok');
  });

  it('without flock is broken', async () => {
    const finding = await checkFlock('flock-that-is-not-installed');
    assert.deepEqual([finding.mark, finding.remedy], ['broken', 'Install flock: sudo apt install util-linux']);
    assert.equal((await checkFlock()).mark, 'ok');
  });
});

describe('a directory', () => {
  it('whose disk rejects a sync is broken, and no file is left in it', async () => {
    await using directory = await temporaryDirectory();
    const failing = {
      ...nodeFiles,
      open: async (...args: Parameters<typeof nodeFiles.open>) => {
        const handle = await nodeFiles.open(...args);
        handle.sync = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
        return handle;
      },
    };
    const [finding] = await checkDirectory({ check: 'data', path: directory.path }, failing);
    assert.match(finding?.text ?? '', /cannot write to .*\(EIO\)/);
    assert.equal(finding?.mark, 'broken');
    assert.deepEqual(await nodeFiles.readdir(directory.path), []);
  });
});

describe('a file next to the logins with a wrong name', () => {
  const LOGIN = JSON.stringify({ status: 0, body: { userid: 5678, refresh_token: 'abc' } });
  for (const [name, content, remedy] of [
    ['1234.txt', 'abc', /^mv \S+\/1234\.txt \S+\/1234$/],
    ['anna', 'abc', /^mv \S+\/anna \S+\/1234$/],
    ['Bo.json', LOGIN, /^mv \S+\/Bo\.json \S+\/5678$/],
    ['Bo', 'abc', /^Rename it to the "userid" of the token response, or remove it\.$/],
    ['99.bak', 'abc', /^User 99 is linked already\. Remove the file if it is not needed\.$/],
  ] as const) {
    it(`is reported at the start and by the doctor: tokens/${name}`, async () => {
      await using directory = await temporaryDirectory();
      const tokens = `${directory.path}/tokens`;
      await mkdir(`${tokens}/folder`, { recursive: true, mode: 0o700 });
      for (const [file, text] of [
        [name, content],
        ['99', 'abc'],
        ['.99.lock', ''],
      ] as const)
        await writeFile(`${tokens}/${file}`, text, { mode: 0o600 });
      const { readable } = parseConfig({ USER_NAMES: '1234:Anna', TOKENS_DIR: tokens, DATA_DIR: directory.path });
      const [finding, ...others] = unused(await examineAtStart(readable));
      assert.deepEqual([finding?.check, finding?.mark, others], ['tokens', 'warning', []]);
      assert.ok(finding?.text.startsWith(`${tokens}/${name} is not used`), finding?.text);
      assert.match(finding?.remedy ?? '', remedy);
    });
  }

  it('is not checked if the data are in the same directory', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await writeFile(`${path}/measures.jsonl`, '');
    const { readable } = parseConfig({ TOKENS_DIR: path, DATA_DIR: path });
    assert.deepEqual(unused(await examineAtStart(readable)), []);
  });

  function unused(findings: readonly Finding[]): readonly Finding[] {
    return findings.filter(({ text }) => text.includes('is not used'));
  }
});

describe('the checks at the start of the daemon', () => {
  it('take less than 20 ms', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { readable } = parseConfig({ CALLBACK_URL: 'https://203.0.113.7/', TOKENS_DIR: path, DATA_DIR: path });
    const tookMs: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const since = performance.now();
      const findings = await examineAtStart(readable);
      tookMs.push(performance.now() - since);
      assert.deepEqual(
        findings.map(({ check, mark }) => [check, mark]),
        [['callback', 'broken']],
      );
    }
    assert.ok(Math.min(...tookMs) < 20, `${tookMs} ms`);
  });

  it('do not create a missing directory', async () => {
    const { readable } = parseConfig({ TOKENS_DIR: '/nowhere/tokens', DATA_DIR: '/nowhere/data' });
    assert.deepEqual(await examineAtStart(readable), []);
  });
});
