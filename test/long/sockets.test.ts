import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CALLBACK_PATH, startHome } from '../support/home.ts';
import { residentMegabytes, watchMemory } from '../support/memory.ts';
import { patient } from '../support/patience.ts';
import { ask, probeDuring } from '../support/probe.ts';
import { isComplaint } from '../support/program.ts';

const SOCKETS = 2_500;
/** The limits of http/listen.ts, and how often they are checked. */
const LONGEST_MS = 16_000;
const MOST_GROWTH_MB = 90;

const date = Math.floor(Date.now() / 1000) - 100;
const NOTIFICATION = `userid=1234&appli=1&startdate=${date}&enddate=${date + 1}`;
const HEAD = `POST ${CALLBACK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
/** The first bytes of a client, which then falls silent. */
const FIRST_WORDS = {
  nothing: '',
  'half its headers': HEAD,
  'half its body': `${HEAD}Content-Length: 100\r\n\r\nuserid=`,
  'a whole request': `HEAD ${CALLBACK_PATH} HTTP/1.1\r\nHost: x\r\n\r\n`,
} as const;

describe('thousands of open sockets', { skip: enoughDescriptors(SOCKETS + 200) }, () => {
  it('delay no real notification, are closed in time, and leave no memory in use', async (test) => {
    await using home = await startHome();
    await home.link('1234');
    await using daemon = await home.serve({ LOG_LEVEL: 'info' });
    const { pid } = daemon.child;
    const mostMs = patient(2_000);
    const settle = async () => {
      for (let count = 0; count < 100; count += 1) await ask(daemon.url, NOTIFICATION);
    };
    const { memory, result } = await watchMemory(pid, settle, async () => {
      const probe = { url: daemon.url, body: NOTIFICATION, everyMs: 50 };
      return await probeDuring(probe, () => holdSockets(new URL(daemon.url).port, SOCKETS));
    });
    const { probed, result: lives } = result;
    const worst = Object.entries(lives).map(([words, ms]) => `${words} ${ms} ms`);
    test.diagnostic(`${SOCKETS} sockets, the longest that sent ${worst.join(', ')}`);
    test.diagnostic(`${probed.count} real notifications, worst answer ${probed.worstMs} ms`);
    test.diagnostic(`memory ${memory.before} MB before, ${memory.peak} at most, ${memory.after} after`);
    assert.deepEqual(probed.others, []);
    assert.ok(probed.worstMs < mostMs, `${probed.worstMs} ms`);
    assert.ok(Math.max(...Object.values(lives)) < LONGEST_MS, worst.join(', '));
    assert.ok(memory.after - memory.before < MOST_GROWTH_MB, `from ${memory.before} to ${memory.after} MB`);
  });
});

describe('a stranger who uses every descriptor', { skip: limitCanBeLowered() }, () => {
  it('does not keep a weigh-in out of the journal', async (test) => {
    await using home = await startHome();
    await home.link('1234');
    await using daemon = await home.serve({ LOG_LEVEL: 'info' });
    await daemon.line(({ event }) => event === 'listening');
    const { pid } = daemon.child;
    const { port } = new URL(daemon.url);
    await sleep(500);
    lowerLimit(pid, 1_024);
    const sockets = await openSockets(port, 1_100, () => '');
    const { groups, body } = weighIn(home);
    const { status, ms } = await ask(daemon.url, body);
    test.diagnostic(`a real notification was answered ${status} after ${ms} ms, at ${await residentMegabytes(pid)} MB`);
    await Promise.race([daemon.reading(groups[0]?.grpid ?? 0), sleep(patient(4_000))]);
    for (const socket of sockets) socket.destroy();
    assert.equal(status, 200);
    assert.equal(
      (await home.journal()).some(({ grpid }) => grpid === groups[0]?.grpid),
      true,
    );
    const troubles = daemon.lines.filter(isComplaint);
    assert.deepEqual(
      troubles.map(({ text }) => text),
      [],
    );
  });
});

function weighIn({ sandbox }: Awaited<ReturnType<typeof startHome>>) {
  return { groups: sandbox.store('1234', { kilograms: 81.25, date }), body: NOTIFICATION };
}

/**
 * Opens the sockets, sends their first bytes, and waits until all are closed. Returns the longest life of each kind.
 */
async function holdSockets(port: string, count: number): Promise<Record<string, number>> {
  const words = Object.entries(FIRST_WORDS);
  const longest: Record<string, number> = {};
  const lives: Promise<void>[] = [];
  await openSockets(port, count, (index, socket) => {
    const [name, text] = words[index % words.length] ?? ['nothing', ''];
    const openedAt = performance.now();
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    lives.push(
      closed.then(() => {
        longest[name] = Math.max(longest[name] ?? 0, Math.round(performance.now() - openedAt));
      }),
    );
    return text;
  });
  const late = sleep(LONGEST_MS + 4_000, undefined, { ref: false }).then(() => assert.fail('some were never cut off'));
  await Promise.race([Promise.all(lives), late]);
  return longest;
}

/** Opens sockets in bursts that fit into the accept queue. */
async function openSockets(
  port: string,
  count: number,
  firstWords: (index: number, socket: Socket) => string,
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index += 1) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    sockets.push(socket);
    socket.write(firstWords(index, socket));
    if (index % 100 === 99) await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  }
  return sockets;
}

function enoughDescriptors(needed: number): string | false {
  const [, limit] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  const enough = limit === 'unlimited' || Number(limit) >= needed;
  return enough ? false : `this machine allows ${limit} open files, and ${needed} are needed`;
}

function limitCanBeLowered(): string | false {
  const few = enoughDescriptors(1_500);
  if (few !== false) return few;
  return spawnSync('prlimit', ['--version']).status === 0 ? false : 'there is no prlimit on this machine';
}

/** Sets the usual limit of a service. */
function lowerLimit(pid: number | undefined, files: number): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid), `--nofile=${files}:${files}`]);
  assert.equal(status, 0, String(stderr));
}
