import { confirm, input, password, select } from '@inquirer/prompts';
import { ExitCode, ExitError, type Shell } from '../shell.ts';

/** What is wrong with an answer, for the person to answer again; undefined where it is fine. */
export type Check = (answer: string) => string | undefined;

export interface Choice<T> {
  readonly value: T;
  readonly name: string;
}

/** Asks on a terminal. Each question ends the command where the person presses Ctrl-C. */
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
    const end = new AbortController();
    const onKey = (_text: unknown, key: { readonly ctrl?: boolean; readonly name?: string }) => {
      if (key.ctrl && key.name === 'd') end.abort();
    };
    keyboard.on('keypress', onKey);
    try {
      return await question({
        input: keyboard,
        output: terminal,
        signal: AbortSignal.any([signal, end.signal]),
      });
    } catch (error) {
      if (!(error instanceof Error && ENDED.includes(error.name))) throw error;
      // A stop by the person is no error.
      say(STOPPED);
      throw new ExitError(ExitCode.failed);
    } finally {
      keyboard.off('keypress', onKey);
    }
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

const ENDED = ['ExitPromptError', 'AbortPromptError'];
const STOPPED = 'Stopped. The answers so far are in .env, and "weighbridge setup" goes on from there.';

function valid(check: Check): (answer: string) => string | true {
  return (answer) => check(answer.trim()) ?? true;
}
