import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Answered {
  readonly status: number;
  readonly ms: number;
}

/** The results of the real notifications during other load. */
export interface Probed {
  readonly count: number;
  /** Half of the answers took at most this time. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** The statuses other than 200; 0 is no answer in 10 s. */
  readonly others: readonly number[];
}

/** Sends a notification as Withings does, over a connection of its own, and measures the time to the answer. */
export async function ask(url: string, body: string): Promise<Answered> {
  const startedAt = performance.now();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
  const status = await new Promise<number>((resolve) => {
    const sent = request(url, { method: 'POST', headers, agent: false, timeout: 10_000 }, (response) => {
      response.resume();
      response.once('close', () => resolve(response.statusCode ?? 0));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
  return { status, ms: performance.now() - startedAt };
}

/** Sends the same real notification again and again while something runs. */
export async function probeDuring<T>(
  { url, body, everyMs }: { readonly url: string; readonly body: string; readonly everyMs: number },
  run: () => Promise<T>,
): Promise<{ readonly probed: Probed; readonly result: T }> {
  const answers: Answered[] = [];
  const state = { running: true };
  const probing = async () => {
    while (state.running) {
      answers.push(await ask(url, body));
      await sleep(everyMs);
    }
  };
  const probes = probing();
  try {
    const result = await run();
    return { result, probed: summary(answers) };
  } finally {
    state.running = false;
    await probes;
  }
}

export function summary(answers: readonly Answered[]): Probed {
  const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  const within = (share: number) => Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 10) / 10;
  return {
    count: answers.length,
    p50Ms: within(0.5),
    p99Ms: within(0.99),
    worstMs: Math.round(sorted.at(-1) ?? 0),
    others: answers.map(({ status }) => status).filter((status) => status !== 200),
  };
}
