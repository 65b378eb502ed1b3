import type { Reading } from '../../src/domain/reading.ts';
import { ANNA } from './people.ts';

/** The reading that tests of the journal and of hooks begin with. */
export const READING: Reading = {
  userId: ANNA,
  groupId: 6123456789,
  takenAt: new Date(1795154462_000),
  modifiedAt: new Date(1795154570_000),
  attribution: 0,
  ambiguous: false,
  deviceId: 'd1',
  model: 'Body+',
  timeZone: 'Europe/Vienna',
  measures: { weight: 81.25, fat_ratio: 17.3, muscle_mass: 63.1 },
};
