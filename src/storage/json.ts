/** What stands in a JSON object, before anything is known of it. */
export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

/** The fields of a text that is one JSON object; none of any other text. */
export function parseFields(text: string | undefined): Fields {
  try {
    return fieldsOf(JSON.parse(text ?? ''));
  } catch {
    return {};
  }
}

/** A date as `JSON.stringify` writes it. */
export function dateOf(value: unknown): Date | undefined {
  return typeof value === 'string' ? validDate(new Date(value)) : undefined;
}

/** Whole seconds since 1970. */
export function secondsOf(value: unknown): Date | undefined {
  return Number.isSafeInteger(value) ? validDate(new Date(Number(value) * 1000)) : undefined;
}

function validDate(date: Date): Date | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
