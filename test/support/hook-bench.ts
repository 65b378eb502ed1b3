import { chmod, readFile, writeFile } from 'node:fs/promises';
import type { BedDelivery } from '../../src/domain/bed.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { type Derived, NOTHING_DERIVED } from '../../src/domain/derived.ts';
import type { Delivery } from '../../src/domain/publisher.ts';
import type { Reading } from '../../src/domain/reading.ts';
import { createHook } from '../../src/publishers/hook/publisher.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { createParkedFile } from '../../src/storage/publisher-files.ts';
import { ANNA } from './people.ts';
import { createRecordingLog } from './recording-log.ts';
import { READING as SAMPLE } from './sample-reading.ts';
import { temporaryDirectory } from './temporary.ts';

/** The reading has the form of the journal, with the offset of its time zone. */
export const READING: Reading = {
  ...SAMPLE,
  timeZone: '+01:00',
  measures: { weight: 81.65, fat_ratio: 17.3 },
};
export const DELIVERY: Delivery = {
  kind: 'weigh_in',
  reading: READING,
  groupIds: [READING.groupId],
  previousWeight: 81.25,
  late: false,
  correction: false,
};

export const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal);
  } catch {
    // The process ended before the kill.
  }
};

/** Writes an executable shell script. */
export async function writeScript(path: string, script: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** The hook publisher with a script of the test's behind it, in a directory of its own. */
export async function createHookBench(
  script: string | undefined,
  {
    clock = realClock,
    command,
    hearsHeld = false,
    derived = NOTHING_DERIVED,
    hearsBed = false,
  }: {
    readonly clock?: Clock;
    readonly command?: readonly string[];
    readonly hearsHeld?: boolean;
    readonly derived?: Derived;
    readonly hearsBed?: boolean;
  } = {},
) {
  const directory = await temporaryDirectory();
  const program = `${directory.path}/hook.sh`;
  if (script !== undefined) await writeScript(program, script);
  const log = createRecordingLog();
  const parked = `${directory.path}/hook.parked.jsonl`;
  const hook = createHook({
    command: command ?? [program, directory.path],
    environment: { PATH: process.env['PATH'] ?? '', TZ: 'UTC' },
    hearsHeld,
    hearsBed,
    people: { names: new Map([[ANNA, 'Anna']]), unit: 'kg' },
    derived: async () => derived,
    parking: createParkedFile(parked),
    signalGroup,
    clock,
    log,
  });
  const { signal } = new AbortController();
  return {
    directory: directory.path,
    program,
    log,
    hook,
    deliverBed: async (delivery: BedDelivery) => await hook.deliverBed?.(delivery, signal),
    deliver: (delivery = DELIVERY, until = signal) => hook.deliver(delivery, until),
    read: (name: string) => readFile(`${directory.path}/${name}`, 'utf8'),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
