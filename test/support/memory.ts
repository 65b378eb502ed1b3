import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Returns the resident memory of another process in MB; 0 without such a process. */
export async function residentMegabytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 102.4) / 10;
}

/** The memory of a process in MB: before, at its peak, and after. */
export interface Memory {
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  /** Ten evenly spread samples show a leak, unlike memory that waits for collection. */
  readonly course: readonly number[];
}

/**
 * Measures the memory four times a second during the work. Some requests precede both ends, so that neither includes
 * the first compilation or uncollected memory.
 *
 * @param settle sends a few requests
 */
export async function watchMemory<T>(
  pid: number | undefined,
  settle: () => Promise<unknown>,
  run: () => Promise<T>,
): Promise<{ readonly memory: Memory; readonly result: T }> {
  await settle();
  const before = await residentMegabytes(pid);
  const seen: number[] = [before];
  const look = async () => void seen.push(await residentMegabytes(pid));
  const looking = setInterval(() => void look(), 250);
  try {
    const result = await run();
    await look();
    await sleep(200);
    await settle();
    const course = Array.from({ length: 10 }, (_, at) => seen[Math.floor(((at + 1) / 10) * (seen.length - 1))] ?? 0);
    return { memory: { before, peak: Math.max(...seen), after: await residentMegabytes(pid), course }, result };
  } finally {
    clearInterval(looking);
  }
}
