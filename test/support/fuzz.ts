import { type FuzzInput, fuzzInput, isSlow } from './fuzz-inputs.ts';
import { type Home, type RunningDaemon, startHome } from './home.ts';
import { type Memory, watchMemory } from './memory.ts';
import { ask, type Probed, probeDuring } from './probe.ts';
import { isComplaint } from './program.ts';
import { type RawAnswer, sendRaw } from './raw-client.ts';

/** The people of the inputs, of the real notifications meanwhile, and of the weigh-in afterwards. */
const FUZZED = '1234';
const REAL = '56785678';
const AFTERWARDS = '90129012';

/** The daemon logs each of these events rarely. */
const EXPECTED = /"event":"(unknown_user|unknown_appli|unlinked)"/;

const QUICK_AT_ONCE = 50;
const SLOW_AT_ONCE = 150;
const PROBE_EVERY_MS = 200;

export interface KindFigures {
  inputs: number;
  unanswered: number;
  readonly answers: Map<number, number>;
  readonly ends: Map<RawAnswer['end'], number>;
}

export interface FuzzReport {
  readonly kinds: ReadonlyMap<string, KindFigures>;
  readonly probed: Probed;
  readonly memory: Memory;
  readonly seconds: number;
  /** The warnings and errors of the daemon, and all its output besides log lines. */
  readonly complaints: readonly string[];
  /** The complaints beyond the events that the inputs are expected to cause. */
  readonly defects: readonly string[];
}

/**
 * Sends inputs to the real daemon with a real notification in between, and ends with a weigh-in that must arrive.
 *
 * @param options.slowMs the longest life of a slow client
 * @throws if the daemon ends
 */
export async function fuzz(options: {
  readonly inputs: number;
  readonly seed: number;
  readonly slowMs: number;
}): Promise<FuzzReport> {
  await using home = await startHome();
  for (const userId of [FUZZED, REAL, AFTERWARDS]) await home.link(userId);
  await using daemon = await home.serve({ LOG_LEVEL: 'info' });
  const startedAt = performance.now();
  const probe = { url: daemon.url, body: notificationOf(REAL, 100), everyMs: PROBE_EVERY_MS };
  const { memory, result } = await watchMemory(
    daemon.child.pid,
    () => settle(probe),
    () => probeDuring(probe, () => Promise.race([sendAll(daemon, options), ended(daemon)])),
  );
  await weighIn(home, daemon);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const complaints = complaintsOf(daemon);
  const defects = complaints.filter((line) => !EXPECTED.test(line));
  return { kinds: result.result, probed: result.probed, memory, seconds, complaints, defects };
}

const notificationOf = (userId: string, secondsAgo: number) => {
  const date = Math.floor(Date.now() / 1000) - secondsAgo;
  return `userid=${userId}&appli=1&startdate=${date}&enddate=${date + 1}`;
};

async function settle({ url, body }: { readonly url: string; readonly body: string }): Promise<void> {
  for (let count = 0; count < 200; count += 1) await ask(url, body);
}

async function ended(daemon: RunningDaemon): Promise<never> {
  const { code, stdout, stderr } = await daemon.exited;
  throw new Error(`the daemon ended with ${code}:\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
}

/** Runs a few quick clients at a time next to slow ones. */
async function sendAll(
  { url }: RunningDaemon,
  { inputs, seed, slowMs }: { readonly inputs: number; readonly seed: number; readonly slowMs: number },
): Promise<ReadonlyMap<string, KindFigures>> {
  const port = Number(new URL(url).port);
  const kinds = new Map<string, KindFigures>();
  const slow = new Set<Promise<void>>();
  let next = 0;

  const send = async (input: FuzzInput) => {
    const silenceMs = isSlow(input) ? slowMs : 250;
    count(kinds, input.kind, await sendRaw(port, input, { silenceMs, totalMs: slowMs }));
  };
  const work = async () => {
    while (next < inputs) {
      const input = fuzzInput(seed, next++);
      if (!isSlow(input)) await send(input);
      else {
        while (slow.size >= SLOW_AT_ONCE) await Promise.race(slow);
        const one = send(input).finally(() => slow.delete(one));
        slow.add(one);
      }
    }
  };
  await Promise.all(Array.from({ length: QUICK_AT_ONCE }, work));
  await Promise.all(slow);
  return kinds;
}

function count(kinds: Map<string, KindFigures>, kind: string, { statuses, end }: RawAnswer): void {
  const figures = kinds.get(kind) ?? { inputs: 0, unanswered: 0, answers: new Map(), ends: new Map() };
  kinds.set(kind, figures);
  figures.inputs += 1;
  if (statuses.length === 0) figures.unanswered += 1;
  for (const status of statuses) figures.answers.set(status, (figures.answers.get(status) ?? 0) + 1);
  figures.ends.set(end, (figures.ends.get(end) ?? 0) + 1);
}

async function weighIn(home: Home, daemon: RunningDaemon): Promise<void> {
  const date = Math.floor(Date.now() / 1000) - 60;
  const [group] = home.sandbox.store(AFTERWARDS, { kilograms: 81.25, date });
  const { status } = await ask(daemon.url, `userid=${AFTERWARDS}&appli=1&startdate=${date}&enddate=${date + 1}`);
  if (status !== 200) throw new Error(`the weigh-in afterwards was answered ${status}`);
  const late = setTimeout(() => daemon.child.kill('SIGKILL'), 10_000);
  await daemon.reading(group?.grpid ?? 0);
  clearTimeout(late);
}

function complaintsOf({ lines, output }: RunningDaemon): string[] {
  const logged = lines.filter(isComplaint).map((line) => JSON.stringify(line));
  const unplanned = output()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'));
  return [...logged, ...unplanned];
}
