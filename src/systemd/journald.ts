import { fstatSync } from 'node:fs';

/** Whether a stream ends in systemd's journal, which names its device and inode: the variable outlives a redirection. */
export function goesToJournal({ JOURNAL_STREAM: journal }: NodeJS.ProcessEnv, descriptor: number): boolean {
  if (!journal) return false;
  const { dev, ino } = fstatSync(descriptor);
  return journal === `${dev}:${ino}`;
}

/** As the journal reads it: each line with its weight in front, sd-daemon(3). */
export function withPriority(text: string): string {
  return text.replace(/^(error:|warning:)?/gm, (word) => `<${word === '' ? 6 : word === 'error:' ? 3 : 4}>${word}`);
}
