import type { FileHandle } from 'node:fs/promises';
import { type FileSystem, nodeFiles } from '../../src/storage/files.ts';
import { sweep } from './sweep.ts';

/** A file operation of storage before its start. */
export interface Operation {
  readonly name: string;
  /** The first path of the operation. A handle has the path it was opened with. */
  readonly path: string;
  readonly args: readonly unknown[];
  readonly handle: FileHandle | undefined;
}

/** Wraps Node's file system. `around` controls every operation: it can record, fail, shorten or hang it. */
export function watchFiles(
  around: (operation: Operation, run: () => Promise<unknown>) => Promise<unknown>,
): FileSystem {
  const watch = <F extends (...args: never[]) => Promise<unknown>>(name: string, call: F): F =>
    new Proxy(call, {
      apply: (target, self, args) =>
        around({ name, path: String(args[0]), args, handle: undefined }, async () => Reflect.apply(target, self, args)),
    });
  return {
    open: new Proxy(nodeFiles.open, {
      async apply(target, self, args) {
        const path = String(args[0]);
        const run = async () => watchHandle(await Reflect.apply(target, self, args), path, around);
        return await around({ name: 'open', path, args, handle: undefined }, run);
      },
    }),
    readFile: watch('readFile', nodeFiles.readFile),
    readdir: watch('readdir', nodeFiles.readdir),
    rename: watch('rename', nodeFiles.rename),
    rm: watch('rm', nodeFiles.rm),
    stat: watch('stat', nodeFiles.stat),
  };
}

function watchHandle(handle: FileHandle, path: string, around: Parameters<typeof watchFiles>[0]): FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (typeof name !== 'string') return value.bind(target);
      return (...args: unknown[]) =>
        around({ name, path, args, handle }, async () => Reflect.apply(value, target, args));
    },
  });
}

/** An error as the kernel reports it. */
export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: as the test wants it`), { code });
}

export interface FailingFiles {
  readonly files: FileSystem;
  /** The failed operation; undefined before the failure. */
  readonly failed: () => Operation | undefined;
}

/** Fails only at operation number `index`, counted from 0. */
export function failAt(index: number, code: string): FailingFiles {
  let count = -1;
  let failed: Operation | undefined;
  const files = watchFiles(async (operation, run) => {
    count += 1;
    if (count !== index) return await run();
    failed = operation;
    // A failed close still closes the file.
    if (operation.name === 'close') await run();
    throw diskError(code);
  });
  return { files, failed: () => failed };
}

/**
 * Yields files that fail at their first operation, then at their second, and so on, or at one of `every`. The last
 * files do not fail.
 */
export async function* failOneByOne(code: string, every = 1): AsyncGenerator<FailingFiles> {
  for (const index of sweep(every)) {
    const failing = failAt(index, code);
    yield failing;
    if (failing.failed() === undefined) return;
  }
}

/** Returns the error of a rejected promise; undefined if it was fulfilled. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
