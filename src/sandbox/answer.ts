/** The envelope of every answer; HTTP is 200 whatever it says. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

export function done(body: Readonly<Record<string, unknown>>): Answer {
  return { status: 0, body };
}

export function refused(status: number, error: string): Answer {
  return { status, body: {}, error };
}

export const NOT_IMPLEMENTED = refused(2554, 'Not implemented');

export function invalidParams(what: string): Answer {
  return refused(503, `Invalid Params: ${what}`);
}
