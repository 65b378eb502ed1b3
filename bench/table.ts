/** A line of the table has a measurement and its smallest possible value. */
export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly floor: string;
  /** The multiple of the floor, if it is meaningful. */
  readonly ratio?: number;
  readonly aim?: Aim;
}

export interface Aim {
  readonly text: string;
  readonly met: boolean;
}

/** An aim that is a multiple of the floor. */
export function atMostTimes(ratio: number, most: number): Aim {
  return { text: `≤ ${most} ×`, met: ratio <= most };
}

export function atMost(value: number, most: number, unit: string): Aim {
  return { text: `≤ ${most} ${unit}`.trim(), met: value <= most };
}

/** Formats the table as Markdown for the README. */
export function formatTable(rows: readonly Row[]): string {
  const cells = rows.map(({ what, ours, floor, ratio, aim }) => [
    what,
    ours,
    floor,
    ratio === undefined ? '' : `${ratio.toFixed(2)} ×`,
    aim === undefined ? '' : `${aim.text} ${aim.met ? '✓' : '✗'}`,
  ]);
  const head = ['what', 'weighbridge', 'floor', 'ratio', 'aim'];
  return [head, head.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
