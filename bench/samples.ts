/** Repeated figures of one thing, taken in turn with those of its floor. */
export interface Samples {
  readonly median: number;
  readonly least: number;
}

export function samplesOf(values: readonly number[]): Samples {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, least: sorted[0] ?? Number.NaN };
}

/** Takes one sample of each kind in every round, so that other load on the machine affects all of them equally. */
export async function inTurn<K extends string>(
  rounds: number,
  takers: Readonly<Record<K, () => Promise<number>>>,
): Promise<Readonly<Record<K, Samples>>> {
  const names = Object.keys(takers) as K[];
  const values = new Map<K, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) values.get(name)?.push(await takers[name]());
  }
  const entries = names.map((name): [K, Samples] => [name, samplesOf(values.get(name) ?? [])]);
  return Object.fromEntries(entries) as Record<K, Samples>;
}

export function show({ median, least }: Samples, unit: string): string {
  return `${round(median)} ${unit} (${round(least)})`;
}

export function round(value: number): number {
  return value >= 20 ? Math.round(value) : Math.round(value * 10) / 10;
}
