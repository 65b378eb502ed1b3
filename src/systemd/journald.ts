import { fstatSync } from 'node:fs';

/** Whether a stream ends in journald, which names its device and inode: the variable outlives a redirection. */
export function goesToJournald({ JOURNAL_STREAM: stream }: NodeJS.ProcessEnv, descriptor: number): boolean {
  if (!stream) return false;
  const { dev, ino } = fstatSync(descriptor);
  return stream === `${dev}:${ino}`;
}

/** The text for journald, with the priority in front of each line: sd-daemon(3). */
export function withPriority(text: string): string {
  return text.replace(/^(error:|warning:)?/gm, (word) => `<${word === '' ? 6 : word === 'error:' ? 3 : 4}>${word}`);
}
