import { existsSync, open, writeFileSync } from 'node:fs';

/**
 * This module is loaded before the program. Once `TAKE_THREADS.go` exists, every file thread of Node opens the FIFO
 * `TAKE_THREADS`, which never ends. A frozen file system has the same effect. `TAKE_THREADS.taken` reports it.
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
