/** A pattern that makes a reader stop, and the common word for it. */
export type Habit = readonly [pattern: RegExp, instead: string];

/** The longest sentence, in words, of a text or a document. */
export const MOST_WORDS = 25;

/** The habits that neither texts of the program nor documents may have. */
const EVERYWHERE: readonly Habit[] = [
  [/\b(somebody|nobody|whoever|everybody)\b/i, 'a named person, or the passive'],
  [/\bmend/i, 'fix'],
  [/\bletter by letter\b/i, 'exactly'],
  [/\bby (itself|themselves)\b/i, 'automatically'],
  [/(?<!\bthere )\bis no (?!longer\b)/i, 'is not a'],
  [/\b(is|are) tried again\b/i, 'retries'],
  [/\bnothing listens\b/i, 'connection refused'],
  [/\b(has|is) signed (by )?itself\b|\bsigned by itself\b/i, 'self-signed'],
  [/\bfor ever\b/i, 'always'],
  [/\benough calls\b/i, 'rate limit'],
  [/\bruns since\b/i, 'running since'],
  [/\bpass(es|ed)? (it |them |everything )?on\b|\btells? of\b|\bis told\b/i, 'forward, publish, report'],
  [/\blets? us in\b|\bhangs? up\b|\bhas gone away\b/i, 'reject, close'],
  [/\bWithings (calls|says|tells|knows)\b/i, 'sends a notification, reports'],
  [/\bprivate port\b/i, 'status port'],
  [/\bneeds login\b/i, 'must link again'],
  [/\bbeside\b/i, 'next to'],
  [/\bbelongs? into\b/i, 'belongs in'],
];

/**
 * Returns what a text should say instead of the habits in it.
 *
 * @param more the habits of this kind of text only
 */
export function habitsIn(text: string, more: readonly Habit[]): readonly string[] {
  const found = [...EVERYWHERE, ...more].filter(([pattern]) => pattern.test(text));
  return found.map(([pattern, instead]) => `${pattern} is ${instead}`);
}
