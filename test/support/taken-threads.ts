import { existsSync, open, writeFileSync } from 'node:fs';

/**
 * Loaded before the program: as soon as `TAKE_THREADS.go` is there, every thread that Node has for files opens the FIFO
 * `TAKE_THREADS`, which never ends. So does a file system that is frozen. `TAKE_THREADS.taken` reports it.
 */
const THREADS = 4;
const { TAKE_THREADS: fifo = '' } = process.env;
const timer = setInterval(() => {
  if (!existsSync(`${fifo}.go`)) return;
  clearInterval(timer);
  for (let thread = 0; thread < THREADS; thread += 1) open(fifo, 'r', () => undefined);
  writeFileSync(`${fifo}.taken`, '');
}, 20);
timer.unref();
