import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LOOK } from '../../src/html/look.ts';

/** Red, green and blue from 0 to 255, and the opacity. */
type Colour = readonly [red: number, green: number, blue: number, cover: number];

/** A colour of the page by its name, by day and in the dark. */
function coloursOf(name: string): Colour[] {
  return [...LOOK.matchAll(new RegExp(`--${name}: #([0-9a-f]{6})([0-9a-f]{2})?;`, 'g'))].map(([, hex = '', cover]) => {
    const [red = 0, green = 0, blue = 0] = (hex.match(/../g) ?? []).map((part) => Number.parseInt(part, 16));
    return [red, green, blue, cover === undefined ? 1 : Number.parseInt(cover, 16) / 255];
  });
}

/** Returns the relative luminance by WCAG 2.2. */
function luminance([red, green, blue]: readonly number[]): number {
  const linear = (value = 0) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** Returns the contrast ratio of two colours by WCAG 2.2. */
function contrast([red, green, blue, cover]: Colour, below: Colour): number {
  const mixed = [red, green, blue].map((value, at) => value * cover + (below[at] ?? 0) * (1 - cover));
  const [light = 0, dark = 0] = [luminance(mixed), luminance(below)].sort((one, other) => other - one);
  return (light + 0.05) / (dark + 0.05);
}

describe('the colours', () => {
  for (const [name, least] of [
    ['dot', 3],
    ['trend', 3],
    ['soft', 4.5],
    ['good', 4.5],
    ['act', 4.5],
    ['pass', 4.5],
  ] as const) {
    it(`have ${name} with a contrast of at least ${least} on a card, in light and dark mode`, () => {
      const cards = coloursOf('card');
      const ratios = coloursOf(name).map((colour, at) => contrast(colour, cards[at] ?? assert.fail()));
      assert.equal(ratios.length, 2);
      assert.ok(Math.min(...ratios) >= least, ratios.join());
    });
  }

  it('have a selected pill that is lighter than its track, in light and dark mode', () => {
    const tracks = coloursOf('line');
    for (const [at, pill] of coloursOf('pill').entries()) assert.ok(luminance(pill) > luminance(tracks[at] ?? pill));
  });
});
