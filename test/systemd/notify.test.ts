import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { createNotify, watchdogMs } from '../../src/systemd/notify.ts';
import { CLIENT, startHome } from '../support/home.ts';
import { MAIN, OTHER_UID, runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** Receives datagrams, and prints each on one line with its sender. */
const RECEIVER = `
import os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    data, more, flags, address = s.recvmsg(4096, socket.CMSG_SPACE(64) + socket.CMSG_SPACE(12))
    pid = [struct.unpack('iII', d)[0] for l, t, d in more if t == socket.SCM_CREDENTIALS]
    # systemd-notify waits until the descriptor that it sends along is closed.
    for l, t, d in more:
        if t == socket.SCM_RIGHTS: os.close(struct.unpack('i', d[:4])[0])
    print(pid[0] if pid else '?', data.decode().replace('\\n', '|'), flush=True)
`;
/** Does what systemd does with \`OpenFile=\`: a connected socket as descriptor 3, and its variables. */
const STARTER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ['NOTIFY_SOCKET'])
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
pid = str(os.getpid())
os.environ.update(LISTEN_PID=pid, LISTEN_FDS='1', LISTEN_FDNAMES='notify', WATCHDOG_PID=pid)
os.execv(sys.argv[1], sys.argv[1:])
`;
const python = '/usr/bin/env';
const hasPython = spawnSync(python, ['python3', '--version']).status === 0;
const skip = hasPython ? false : 'this needs python3, for a datagram socket';
const hasSystemdNotify = spawnSync('systemd-notify', ['--version']).status === 0;

async function startReceiver(path: string) {
  const child = spawn(python, ['python3', '-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'bound');
  return {
    /** Returns the next message with this start, and its sender. */
    async message(beginning: string) {
      for (;;) {
        const { value, done } = await lines.next();
        assert.ok(!done, 'the receiver has ended');
        const [, pid, text = ''] = /^([0-9?]+) (.*)$/.exec(value) ?? [];
        if (text.startsWith(beginning)) return { pid: Number(pid), text };
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe('a message to systemd', () => {
  it('is sent through the passed socket, from the same process, during its whole life', { skip }, async () => {
    await using home = await startHome();
    const socket = join(home.directory, 'notify');
    await using receiver = await startReceiver(socket);
    const child = spawn(python, ['python3', '-c', STARTER, process.execPath, MAIN, 'serve'], {
      cwd: home.directory,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        NOTIFY_SOCKET: socket,
        WATCHDOG_USEC: '400000',
        WITHINGS_CLIENT_ID: CLIENT.clientId,
        WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
        WITHINGS_API_URL: home.sandbox.url.href,
        HOST: '127.0.0.1',
        PORT: '0',
        STATUS_PORT: '0',
      },
    });
    child.stdout.resume();
    const exited = once(child, 'exit');
    try {
      const { pid } = await receiver.message('READY=1');
      assert.equal(pid, child.pid, 'systemd believes the process itself, and no other');
      for (let ping = 0; ping < 3; ping += 1) await receiver.message('WATCHDOG=1');
      assert.match((await receiver.message('STATUS=')).text, /no person is linked yet/);
      child.kill('SIGTERM');
      await receiver.message('STOPPING=1');
      assert.deepEqual(await exited, [0, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('is sent by systemd-notify without a passed socket', {
    skip: skip || (hasSystemdNotify ? false : 'this needs systemd-notify'),
  }, async () => {
    await using directory = await temporaryDirectory();
    const socket = join(directory.path, 'notify');
    await using receiver = await startReceiver(socket);
    await createNotify({ NOTIFY_SOCKET: socket }, process.pid)(['READY=1', 'STATUS=two words']);
    assert.equal((await receiver.message('READY=1')).text, 'READY=1|STATUS=two words');
  });

  it('fails without a receiver', async () => {
    await using directory = await temporaryDirectory();
    const env = { NOTIFY_SOCKET: join(directory.path, 'nothing') };
    await assert.rejects(createNotify(env, process.pid)(['READY=1']));
  });

  it('is due within the watchdog interval, if the interval is for this process', () => {
    assert.equal(watchdogMs({ WATCHDOG_USEC: '60000000' }, 7), 60_000);
    assert.equal(watchdogMs({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 7), 60_000);
    for (const none of [
      {},
      { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' },
      { WATCHDOG_USEC: '0' },
      { WATCHDOG_USEC: 'x' },
    ])
      assert.equal(watchdogMs(none, 7), undefined);
  });
});

describe('the credentials of systemd', () => {
  const SECRET = 'hush-client-secret';

  /** Runs `serve`, which fails before any request, and returns its complaint about the settings. */
  async function settingsOf(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
    await using directory = await temporaryDirectory();
    const credentials = join(directory.path, 'credentials');
    await mkdir(credentials);
    for (const [name, text] of Object.entries(files)) await writeFile(join(credentials, name), text);
    const all = { CREDENTIALS_DIRECTORY: credentials, ...env };
    const { stdout, stderr } = await runProgram(['serve'], { cwd: directory.path, env: all });
    return stdout + stderr;
  }

  it('are a whole .env file, and secrets in a file each', async () => {
    const said = await settingsOf({
      env: 'WITHINGS_CLIENT_ID=my-id\nPORT=80a\nSTATUS_PROT=1\n',
      client_secret: SECRET,
    });
    assert.match(said, /PORT: expected a number/);
    assert.match(said, /STATUS_PROT is not a weighbridge setting\. Did you mean STATUS_PORT\?/);
    assert.doesNotMatch(said, /required|hush/);
  });

  it('yield to the environment, and a secret of .env yields to its own file', async () => {
    const env = `WITHINGS_CLIENT_ID=my-id\nWITHINGS_CLIENT_SECRET=…\nPORT=80a\n`;
    const said = await settingsOf({ env, WITHINGS_CLIENT_SECRET: SECRET }, { PORT: '80b' });
    assert.match(said, /"80b"/);
    assert.doesNotMatch(said, /80a|placeholder|hush/);
  });
});

const isRoot = process.geteuid?.() === 0;

describe('root, next to a daemon of another user', { skip: isRoot ? false : 'this is for root' }, () => {
  it('works as that user, who can read the written files', async () => {
    await using directory = await temporaryDirectory();
    const cwd = directory.path;
    const tokens = join(cwd, 'tokens');
    await mkdir(tokens);
    for (const path of [cwd, tokens]) await chown(path, OTHER_UID, OTHER_UID);
    await writeFile(join(cwd, '.env'), 'TOKENS_DIR=tokens\nLOG_LEVEL=loud\n', { mode: 0o600 });
    const input = JSON.stringify({ userid: '1234', refresh_token: 'abc' });
    const refused = await runProgram(['import'], { cwd, input });
    assert.equal(refused.code, 78, 'the exit code is that of the command');
    assert.match(refused.stderr, /LOG_LEVEL/, 'settings that only root may read count');
    const { code, stderr } = await runProgram(['import'], { cwd, input, env: { LOG_LEVEL: 'warn' } });
    assert.equal(code, 0, stderr);
    for (const name of ['1234', '.1234.lock']) assert.equal((await stat(join(tokens, name))).uid, OTHER_UID, name);
    assert.equal(await readFile(join(tokens, '1234'), 'utf8'), 'abc\n');
  });
});

it('does not use a socket that was passed to another process', async () => {
  const variables = { LISTEN_PID: `${process.pid + 1}`, LISTEN_FDNAMES: 'notify', NOTIFY_SOCKET: undefined };
  await assert.rejects(createNotify(variables, process.pid)(['READY=1']), /systemd-notify/);
});
