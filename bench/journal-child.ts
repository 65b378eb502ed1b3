import { setTimeout as sleep } from 'node:timers/promises';
import { startOutbox } from '../src/app/publish/outbox.ts';
import { createPublisherTroubles } from '../src/app/status/troubles.ts';
import { createReview } from '../src/domain/review.ts';
import { renderPage } from '../src/page/status-page.ts';
import { RANGES } from '../src/page/view.ts';
import { realClock } from '../src/runtime/real-clock.ts';
import { spareMemory } from '../src/runtime/spare-memory.ts';
import { openJournal } from '../src/storage/journal/journal.ts';
import { FAMILY } from '../test/support/family-journal.ts';
import { person, status, view } from '../test/support/page-views.ts';
import { createRecordingLog } from '../test/support/recording-log.ts';

/** Opens the given journal, follows it as two publishers do, draws every range, and prints time and memory. */
const [path = ''] = process.argv.slice(2);
const resident = () => Math.round(process.memoryUsage().rss / 104_857.6) / 10;
const log = createRecordingLog();
const startedAt = performance.now();
const journal = await openJournal(path, log, { review: createReview({ jumpShare: 0.2 }) });
const openMs = Math.round(performance.now() - startedAt);
const opened = resident();
// The daemon does this as well when it listens.
spareMemory();
const outboxes = ['mqtt', 'hook'].map((name) =>
  startOutbox({
    publisher: { name, stopMs: 0, deliver: async () => undefined, [Symbol.asyncDispose]: async () => undefined },
    feed: journal.feed,
    offsets: { load: async () => undefined, save: async () => undefined },
    troubles: createPublisherTroubles({ clock: realClock, log, publisher: name }),
    clock: realClock,
    random: Math.random,
    log,
    maxAgeMs: () => 3_600_000,
  }),
);
const people = FAMILY.map((userId) => person(userId, undefined));
let drawMs = 0;
let length = 0;
for (let round = 0; round < 5; round += 1) {
  for (const range of RANGES) {
    const drawnAt = performance.now();
    const now = new Date('2026-11-20T06:00:00Z');
    length = renderPage(view({ range, now, status: status({ people }), histories: journal.histories }), String).length;
    drawMs = performance.now() - drawnAt;
    await sleep(20);
  }
}
await sleep(500);
process.stdout.write(JSON.stringify({ openMs, opened, drawMs: Math.round(drawMs), drawn: resident(), length }));
for (const outbox of outboxes) await outbox[Symbol.asyncDispose]();
