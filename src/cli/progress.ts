import type { SingleBar } from 'cli-progress';
import type { Clock } from '../domain/clock.ts';
import type { Shell } from './shell.ts';

/** Without a terminal, an occasional line shows that the work goes on. */
const LINE_EVERY_MS = 10_000;

/** Shows the progress of long work: a bar on a terminal, otherwise lines. */
export interface Progress<S> extends Disposable {
  /** A shell whose output does not break the bar. */
  readonly shell: S;
  /** @param done between 0 and 1 */
  update(done: number, text: string): void;
}

type Screen = Pick<Shell, 'print' | 'say' | 'terminal'>;

export async function openProgress<S extends Screen>(shell: S, clock: Clock): Promise<Progress<S>> {
  if (shell.terminal === undefined) return openLines(shell, clock);
  // The package is loaded only if the bar is shown.
  const { default: progress } = await import('cli-progress');
  const format = '[{bar}] {percentage}%  {text}';
  return openBar(shell, new progress.SingleBar({ stream: shell.terminal, format, barsize: 30, clearOnComplete: true }));
}

function openLines<S extends Screen>(shell: S, clock: Clock): Progress<S> {
  let saidMs = clock.elapsedMs();
  return {
    shell,
    update(_done, text) {
      if (clock.elapsedMs() - saidMs < LINE_EVERY_MS) return;
      saidMs = clock.elapsedMs();
      shell.say(text);
    },
    [Symbol.dispose]: () => undefined,
  };
}

function openBar<S extends Screen>(shell: S, bar: SingleBar): Progress<S> {
  let shown: { readonly done: number; readonly text: string } | undefined;
  const show = () => {
    if (shown !== undefined) bar.start(1, shown.done, { text: shown.text });
  };
  const makeWay = (write: (line: string) => void) => (line: string) => {
    bar.stop();
    write(line);
    show();
  };
  return {
    shell: { ...shell, print: makeWay(shell.print), say: makeWay(shell.say) },
    update(done, text) {
      const isFirst = shown === undefined;
      shown = { done, text };
      if (isFirst) show();
      else bar.update(done, { text });
    },
    [Symbol.dispose]() {
      bar.stop();
      shown = undefined;
    },
  };
}
