import { setFlagsFromString } from 'node:v8';

/**
 * Makes V8 collect garbage before it takes more memory: a daemon that is mostly at rest gains nothing by a large heap.
 * V8 does not promise that flags work after the start. These do on Node 18 to 24; `--max-semi-space-size` does not.
 * `bench/README.md` has the figures.
 */
export function spareMemory(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=20');
}
