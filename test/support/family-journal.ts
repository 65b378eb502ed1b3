import { open } from 'node:fs/promises';
import type { Reading } from '../../src/domain/reading.ts';
import { formatLine } from '../../src/storage/journal/line.ts';
import { userId } from './people.ts';
import { createRandom } from './random.ts';

export const FAMILY = ['1001', '1002', '1003', '1004'].map(userId);
const DAY_MS = 24 * 3_600_000;
const END_MS = new Date('2026-11-20T05:00:00Z').getTime();
const PARTS = [2, 3, 10, 11, 12];

/** The four groups of one weigh-in on a Body Scan, with as many measures as Withings sends. */
function measuresOf(random: () => number): readonly Readonly<Record<string, number>>[] {
  const value = (base: number, digits = 2) => Number((base * (0.95 + random() * 0.1)).toFixed(digits));
  const segments = ['segment_fat_free_mass', 'segment_fat_mass', 'segment_muscle_mass'].flatMap((key) =>
    PARTS.map((part) => [`${key}_${part}`, value(8)] as const),
  );
  const composition = {
    weight: value(75),
    fat_free_mass: value(60),
    fat_ratio: value(20, 1),
    fat_mass: value(15),
    muscle_mass: value(57),
    hydration: value(40),
    bone_mass: value(3),
    visceral_fat: value(4, 1),
  };
  return [
    composition,
    { heart_rate: value(60, 0) },
    { pulse_wave_velocity: value(7), vascular_age: value(40, 0) },
    { ...Object.fromEntries(segments), extracellular_water: value(17), intracellular_water: value(23) },
  ];
}

/**
 * Writes a journal of so many lines for a family of four with a Body Scan. 60,000 lines are ten years of nearly every
 * morning. More lines are more mornings in the same ten years.
 */
export async function writeFamilyJournal(path: string, count: number): Promise<void> {
  const random = createRandom(count);
  const mornings = Math.ceil(count / 16);
  await using file = await open(path, 'w');
  let lines: string[] = [];
  for (let line = 0; line < count; line += 1) {
    const [morning, person, part] = [Math.floor(line / 16), Math.floor(line / 4) % 4, line % 4];
    const dayMs = END_MS - Math.round(((mornings - 1 - morning) * 3652 * DAY_MS) / mornings);
    const takenAt = new Date(Math.floor(dayMs / 1000) * 1000 + person * 600_000);
    const reading: Reading = {
      userId: FAMILY[person] ?? userId('1'),
      groupId: 5_000_000_000 + line * 37,
      takenAt,
      modifiedAt: new Date(takenAt.getTime() + 45_000),
      attribution: 0,
      ambiguous: false,
      deviceId: '0123456789abcdef0123456789abcdef01234567',
      model: 'Body Scan',
      timeZone: 'Europe/Vienna',
      measures: measuresOf(random)[part] ?? {},
    };
    lines.push(`${formatLine(reading, true)}\n`);
    if (lines.length === 10_000) {
      await file.appendFile(lines.join(''));
      lines = [];
    }
  }
  await file.appendFile(lines.join(''));
}
