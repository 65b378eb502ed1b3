import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from './program.ts';

/** Follows a link as a browser does, including reloads, and returns the last page. */
export async function browse(
  link: string | URL,
): Promise<{ readonly status: number; readonly text: string; readonly url: URL }> {
  for (let target = link; ; ) {
    const answer = await fetch(target);
    const text = await answer.text();
    if (!text.includes('http-equiv="refresh"')) return { status: answer.status, text, url: new URL(answer.url) };
    target = answer.url;
    await sleep(500);
  }
}

/** Returns the redirect URL of the consent page without following it. */
export async function consent(link: string | URL, as?: string): Promise<URL> {
  const url = new URL(link);
  if (as !== undefined) url.searchParams.set('as', as);
  const answer = await fetch(url, { redirect: 'manual' });
  await answer.arrayBuffer();
  return new URL(answer.headers.get('location') ?? '');
}

/** The link that `login` prints. */
export async function linkOf(program: Program): Promise<URL> {
  for await (const line of program.texts()) if (URL.canParse(line)) return new URL(line);
  throw new Error('no link was printed');
}
