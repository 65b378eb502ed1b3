import { linkByBrowser } from './by-browser.ts';
import { linkByHand } from './by-hand.ts';
import type { LinkedPerson, Linking } from './linking.ts';

/**
 * Takes the browser's redirect, or the address that the person pastes.
 *
 * @returns undefined if the patience ended first
 */
export async function linkByEither(linking: Linking): Promise<LinkedPerson | undefined> {
  const done = new AbortController();
  const patience = AbortSignal.any([linking.patience, done.signal]);
  let isShown = () => {};
  const shown = new Promise<void>((resolve) => {
    isShown = resolve;
  });
  const show = () => linking.show().finally(isShown);
  const ways = [
    linkByBrowser({ ...linking, patience, show }).finally(isShown),
    linkByHand({ ...linking, patience, show: () => shown }),
  ];
  try {
    // After the end of the input, it still waits for the browser.
    const ended = ways.map(async (way) => {
      const linked = await way;
      if (linked !== undefined) done.abort();
      return linked;
    });
    return (await Promise.all(ended)).find((linked) => linked !== undefined);
  } finally {
    done.abort();
    await Promise.allSettled(ways);
  }
}
