import type { Log } from '../domain/log.ts';

/** What was thrown in an answer and is nobody's fault but ours. */
export function reportDefect(log: Log, error: unknown): void {
  const where = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error({ event: 'defect', text: `this is a defect of weighbridge, please report it: ${where}` });
}
