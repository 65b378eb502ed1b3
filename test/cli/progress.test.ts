import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { openProgress } from '../../src/cli/progress.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const require = createRequire(import.meta.url);
const isBarLoaded = () => Object.keys(require.cache).some((path) => path.includes('/cli-progress/'));

/** Returns the final content of the terminal: each line as it was last drawn. */
function createScreen(isTerminal: boolean) {
  let written = '';
  const write = (text: string) => {
    written += text;
  };
  const stream = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        write(String(chunk));
        done();
      },
    }),
    { isTTY: true, columns: 100 },
  );
  return {
    shell: {
      print: (line: string) => write(`out: ${line}\n`),
      say: (line: string) => write(`${line}\n`),
      terminal: isTerminal ? stream : undefined,
    },
    written: () => written,
  };
}

/** A redrawn line replaces its content after the last carriage return. */
function visible(written: string): string[] {
  const escapes = new RegExp(`${String.fromCharCode(27)}(\\[[?0-9;]*[A-Za-z]|[78])`, 'g');
  return written
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\u001b[1G') + 1).replaceAll(escapes, ''))
    .map((line) => line.replace(/^\[1G/, ''));
}

test('without a terminal the progress is a line every ten seconds, and the bar is not loaded', async () => {
  const clock = createFakeClock();
  const { shell, written } = createScreen(false);
  using progress = await openProgress(shell, clock);
  for (let second = 0; second < 25; second += 1) {
    progress.update(second / 25, `second ${second}`);
    await clock.advance(1_000);
  }
  progress.shell.say('said');
  progress.shell.print('printed');
  assert.equal(written(), 'second 10\nsecond 20\nsaid\nout: printed\n');
  assert.equal(isBarLoaded(), false);
});

test('on a terminal the progress is a bar, which yields to printed lines and disappears at the end', async () => {
  const { shell, written } = createScreen(true);
  {
    using progress = await openProgress(shell, createFakeClock());
    progress.shell.say('before');
    progress.update(0, 'at the beginning');
    progress.update(0.5, 'half of it');
    progress.shell.say('in between');
    assert.match(written(), /\[=+-+\] 50% {2}half of it/);
    progress.shell.print('the result');
  }
  assert.deepEqual(visible(written()), ['before', 'in between', 'out: the result', '']);
  assert.ok(!/\n.*\n.*\n.*\n/.test(written()), 'the bar takes no line of its own');
  assert.equal(isBarLoaded(), true);
});
