import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showLink } from '../../../src/cli/login/show-link.ts';
import { createShell } from '../../support/shell.ts';

const LINK = new URL('https://account.example/oauth2_user/authorize2?state=abc');

/** What a terminal of so many columns shows of a link. */
async function shown(columns: number | undefined, isForPhone = true) {
  const printed: string[] = [];
  const said: string[] = [];
  const shell = createShell({
    env: { NO_COLOR: '1' },
    print: (line) => void printed.push(line),
    say: (line) => void said.push(line),
    ...(columns !== undefined && { terminal: { ...process.stdout, columns } as typeof process.stdout }),
  });
  await showLink(shell, LINK, { isForPhone });
  return { printed, said: said.join('\n') };
}

test('a terminal shows the link alone on a line, and a QR code with a sentence before it', async () => {
  const { printed, said } = await shown(200);
  assert.deepEqual(printed, [LINK.href]);
  assert.match(said, /Open this link in a browser.*\n\n\nWith a phone, scan this code:\n[\s\S]*[█▀▄]{4}/);
});

test('only the link is shown on a narrow terminal, without a terminal, and if no phone can use it', async () => {
  for (const each of [await shown(20), await shown(undefined), await shown(200, false)]) {
    assert.deepEqual(each.printed, [LINK.href]);
    assert.doesNotMatch(each.said, /phone|[█▀▄]/);
  }
});
