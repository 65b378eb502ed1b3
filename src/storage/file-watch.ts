import { Trouble } from '../domain/trouble.ts';

/** A working disk never takes this long for a small file. A worn-out card takes seconds. */
const READ_LIMIT_MS = 20_000;

/** A file operation that has not ended. */
export interface FileWait {
  /** For example `read tokens/1234`. */
  readonly doing: string;
  readonly ms: number;
}

/**
 * Lists the file operations that have not ended. On a frozen disk, or a network share without its server, the kernel
 * may never end one. Nothing can cancel it, and it keeps one of Node's few file threads.
 */
export interface FileWatch {
  /** Waits for as long as it takes: an abandoned operation could later overwrite newer content. */
  track<T>(doing: string, work: () => Promise<T>): Promise<T>;
  /**
   * Gives up after a while, because a late read does no harm. Until it ends, the same read is refused at once, so that
   * it never takes a second thread.
   *
   * @throws Trouble `file_hangs`
   */
  read<T>(doing: string, work: () => Promise<T>): Promise<T>;
  /** The operation that has run longest. */
  longest(): FileWait | undefined;
  /** The same, if no operation has ended since it began: the whole disk does not answer. */
  silent(): FileWait | undefined;
}

export function createFileWatch({ limitMs = READ_LIMIT_MS, nowMs = () => performance.now() } = {}): FileWatch {
  const going = new Set<{ readonly doing: string; readonly sinceMs: number }>();
  const hung = new Set<string>();
  let endedMs = Number.NEGATIVE_INFINITY;

  const track = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    const wait = { doing, sinceMs: nowMs() };
    going.add(wait);
    try {
      return await work();
    } finally {
      going.delete(wait);
      endedMs = nowMs();
    }
  };
  const longest = (): FileWait | undefined => {
    const [first] = going;
    return first && { doing: first.doing, ms: nowMs() - first.sinceMs };
  };

  return {
    track,
    async read(doing, work) {
      if (hung.has(doing)) throw hangs(doing, limitMs);
      const done = track(doing, work);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          hung.add(doing);
          const forget = () => void hung.delete(doing);
          done.then(forget, forget);
          reject(hangs(doing, limitMs));
        }, limitMs);
      });
      return await Promise.race([done, late]).finally(() => clearTimeout(timer));
    },
    longest,
    silent() {
      const wait = longest();
      return wait !== undefined && endedMs <= nowMs() - wait.ms ? wait : undefined;
    },
  };
}

function hangs(doing: string, limitMs: number): Trouble {
  return new Trouble(`cannot ${doing}: the file system did not answer for ${limitMs / 1000} s`, {
    code: 'file_hangs',
    recovery: 'retry',
    hint: 'Check the disk or the network share with "dmesg". weighbridge retries.',
  });
}

/** One watch for the process, because all its files share the threads. */
export const fileWatch = createFileWatch();
