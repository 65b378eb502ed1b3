import type { BedEvent, BedKind } from '../../src/domain/bed.ts';
import { openBedFile } from '../../src/storage/bed-file.ts';
import type { FileSystem } from '../../src/storage/files.ts';
import { ANNA } from './people.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryDirectory } from './temporary.ts';

/** A bed event of Anna. */
export function bedEvent(kind: BedKind, at: Date, changes: Partial<BedEvent> = {}): BedEvent {
  return { userId: ANNA, kind, at, deviceId: 'mat', ...changes };
}

/** A directory with the file of the bed events, which processes open one after the other. */
export async function bedPlace() {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/bed.jsonl`;
  const log = createRecordingLog();
  return {
    directory: directory.path,
    path,
    log,
    open: (files?: FileSystem) => openBedFile(path, log, files),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
