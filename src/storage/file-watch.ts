import { Trouble } from '../domain/trouble.ts';

/** No disk that works takes this long for a small file; a card that wears out takes seconds. */
const READ_LIMIT_MS = 20_000;

/** A file operation that has not ended. */
export interface FileWait {
  /** Such as `read tokens/1234`. */
  readonly doing: string;
  readonly ms: number;
}

/**
 * Knows which file operations have not ended. The kernel may never end one: a disk that is frozen, a network share
 * whose server is gone. Nothing can cancel it, and it keeps one of the few threads that Node has for files.
 */
export interface FileWatch {
  /** Waits for as long as it takes: what is given up could still write later, over something newer. */
  track<T>(doing: string, work: () => Promise<T>): Promise<T>;
  /**
   * Gives up after a while, because a read does no harm when it ends late. Until then the same read is refused at once,
   * so that it never takes a second thread.
   *
   * @throws Trouble `file_hangs`
   */
  read<T>(doing: string, work: () => Promise<T>): Promise<T>;
  /** The operation that has been going on longest. */
  longest(): FileWait | undefined;
  /** The same, where no operation has ended since it began: the disk as a whole does not answer. */
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

/** Of this process: all its files share the threads. */
export const fileWatch = createFileWatch();
