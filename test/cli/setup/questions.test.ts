import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { openQuestions } from '../../../src/cli/setup/questions.ts';

test('a very long pasted answer is rejected at once, and the question is repeated', async () => {
  const keyboard = new PassThrough();
  // A question cannot end standard error, nor this stream.
  const terminal: PassThrough = Object.assign(new PassThrough(), { columns: 80, end: () => terminal });
  const said: string[] = [];
  let drawn = '';
  const isAsked = (times: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (drawn.split('? Name:').length <= times) return;
        terminal.off('data', look);
        resolve();
      };
      terminal.on('data', look);
    });
  terminal.on('data', (chunk) => {
    drawn += stripVTControlCharacters(String(chunk));
  });
  const { signal } = new AbortController();
  const say = (line: string) => {
    said.push(line);
    // The rest of the paste comes after the answer was rejected.
    setImmediate(() => keyboard.write('y'.repeat(1_000)));
  };
  const { text } = openQuestions({ keyboard, terminal, signal, say });
  const first = isAsked(1);
  const answer = text('Name:', () => undefined);
  await first;
  const again = isAsked(2);
  keyboard.write('x'.repeat(9_000));
  await again;
  assert.deepEqual(said, ['The answer is too long: 2000 characters are the most.']);
  keyboard.write('Anna\r');
  assert.equal(await answer, 'Anna');
  assert.ok(drawn.length < 5_000, `${drawn.length} characters were drawn`);
});
