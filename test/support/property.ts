import fc from 'fast-check';

const DEFAULT_SEED = 20_261_120;
/** All properties together take some seconds. WEIGHBRIDGE_TEST_RUNS is for the long run. */
const DEFAULT_RUNS = 200;

const seed = wholeNumber('WEIGHBRIDGE_TEST_SEED', DEFAULT_SEED);
const numRuns = wholeNumber('WEIGHBRIDGE_TEST_RUNS', DEFAULT_RUNS);

/**
 * Checks a property. A failure reports the smallest counterexample with its seed and path.
 *
 * @param property made with `fc.property`
 * @param part of the usual number of runs, for slow properties
 */
export function check<Values>(property: fc.IProperty<Values>, part = 1): void {
  fc.assert(property, options(part));
}

/** The same for a property made with `fc.asyncProperty`. */
export async function checkAsync<Values>(property: fc.IAsyncProperty<Values>, part = 1): Promise<void> {
  await fc.assert(property, options(part));
}

function options(part: number) {
  return { seed, numRuns: Math.ceil(numRuns * part), includeErrorInReport: true };
}

/** Names of properties that every object inherits. */
const INHERITED = ['__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'then', 'length'];

/** Any text: controls, line ends, letters of every language, and halves of surrogate pairs. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
  fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t', '\0', '"', '{', '}', '\u2028', '\ufeff', '…', 'a', '1') }),
  fc.constantFrom(...INHERITED),
);

const number: fc.Arbitrary<number> = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(0, -0, 1e21, -1e21, 1e-7, 5e-324, Number.MAX_VALUE, 2 ** 53, 4_102_444_801, 8.64e12 + 1),
);

/** Any value in place of a field. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ key: text, withNullPrototype: true }),
  fc.jsonValue(),
  text,
  number,
  number.map(String),
  fc.constantFrom(undefined, null, true, false, '', [], {}),
);

/** Text that is often JSON, with names from every object's prototype and numbers of any size. */
export const jsonText: fc.Arbitrary<string> = fc.oneof(
  text,
  fc.json(),
  fc.tuple(fc.constantFrom(...INHERITED), fc.json()).map(([name, json]) => `{${JSON.stringify(name)}:${json}}`),
  fc.constantFrom('1e999', '-0', 'null', '{}', '[]', '"', '{"status":1e400}'),
  fc.nat(50_000).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
);

/** An object with some of its fields replaced by anything, or left out. */
export function altered(example: Readonly<Record<string, unknown>>): fc.Arbitrary<Record<string, unknown>> {
  const changes = fc.dictionary(fc.constantFrom(...Object.keys(example), ...INHERITED), anything, { maxKeys: 3 });
  return fc.tuple(changes, fc.subarray(Object.keys(example), { maxLength: 1 })).map(([changed, removed]) => {
    const fields = Object.entries({ ...example, ...changed });
    return Object.fromEntries(fields.filter(([name]) => !removed.includes(name)));
  });
}

function wholeNumber(name: string, fallback: number): number {
  const given = process.env[name] || String(fallback);
  if (!/^[0-9]{1,9}$/.test(given)) throw new Error(`${name} must be a whole number, not "${given}"`);
  return Number(given);
}
