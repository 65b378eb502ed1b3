import type { ReadStream } from 'node:tty';
import { confirm, input, password, select } from '@inquirer/prompts';
import { realClock } from '../../runtime/real-clock.ts';
import type { Shell } from '../shell.ts';
import { Stopped } from './stopped.ts';

/** The problem of an answer, so that the person answers again. Undefined if the answer is fine. */
export type Check = (answer: string) => string | undefined;

export interface Choice<T> {
  readonly value: T;
  readonly name: string;
}

/** Asks on a terminal. Each question ends the command if the person presses Ctrl-C. */
export type Questions = ReturnType<typeof openQuestions>;

export function openQuestions({
  keyboard,
  terminal,
  signal,
  say,
}: Pick<Shell, 'signal' | 'say'> & {
  readonly keyboard: NonNullable<Shell['keyboard']>;
  readonly terminal: NonNullable<Shell['terminal']>;
}) {
  const ask = async <T>(question: (context: object) => Promise<T>): Promise<T> => {
    for (;;) {
      const answer = await askOnce(question);
      if (answer !== TOO_LONG) return answer;
      say(`The answer is too long: ${MOST_CHARACTERS} characters are the most.`);
      await untilQuiet();
    }
  };
  /** A question redraws its answer at each key, which takes minutes for a very long paste. */
  const askOnce = async <T>(question: (context: object) => Promise<T>): Promise<T | typeof TOO_LONG> => {
    const end = new AbortController();
    let length = 0;
    const onData = (keys: string | Buffer) => {
      length += keys.length;
      if (length <= MOST_CHARACTERS) return;
      end.abort();
      // Otherwise it would still process each key of this chunk.
      keyboard.removeAllListeners('keypress');
    };
    const onKey = (_text: unknown, key: { readonly ctrl?: boolean; readonly name?: string }) => {
      if (key.ctrl && key.name === 'd') end.abort();
    };
    keyboard.on('keypress', onKey);
    // This listener must get the keys before the question.
    keyboard.prependListener('data', onData);
    try {
      return await question({
        input: keyboard,
        output: terminal,
        signal: AbortSignal.any([signal, end.signal]),
      });
    } catch (error) {
      if (!(error instanceof Error && ENDED.includes(error.name))) throw error;
      if (length <= MOST_CHARACTERS) throw new Stopped();
      return TOO_LONG;
    } finally {
      keyboard.off('keypress', onKey);
      keyboard.off('data', onData);
    }
  };
  /** The rest of a pasted text is not an answer. */
  const untilQuiet = async () => {
    let isQuiet = false;
    const onData = () => {
      isQuiet = false;
    };
    (keyboard as Partial<ReadStream>).setRawMode?.(true);
    keyboard.on('data', onData).resume();
    while (!isQuiet) {
      isQuiet = true;
      await realClock.sleep(QUIET_MS, signal);
    }
    keyboard.off('data', onData);
  };
  return {
    text: (message: string, check: Check, preset?: string) =>
      ask((context) =>
        input({ message, validate: valid(check), ...(preset !== undefined && { default: preset }) }, context),
      ).then((answer) => answer.trim()),
    secret: (message: string, check: Check) =>
      ask((context) => password({ message, mask: true, validate: valid(check) }, context)).then((answer) =>
        answer.trim(),
      ),
    choose: <T>(message: string, choices: readonly Choice<T>[]) =>
      ask((context) => select<T>({ message, choices }, context)),
    confirm: (message: string, preset: boolean) => ask((context) => confirm({ message, default: preset }, context)),
  };
}

/** Far more than any answer needs. */
const MOST_CHARACTERS = 2_000;
const TOO_LONG = Symbol('too long');
const QUIET_MS = 200;
const ENDED = ['ExitPromptError', 'AbortPromptError'];

function valid(check: Check): (answer: string) => string | true {
  return (answer) => check(answer.trim()) ?? true;
}
