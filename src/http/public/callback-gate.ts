import { isSame } from '../answers.ts';

/** The path and the query of the callback URL: a caller who does not know both meets a server that has neither. */
export interface CallbackGate {
  /** Whether this is the path. */
  isPath(path: string): boolean;
  /**
   * Whether every parameter of the callback URL has come back with its value.
   * `missing` means that one was not there at all, so it may still come in the form: Withings' documentation
   * lists the callback's own parameters among the fields of a notification.
   */
  check(parameters: URLSearchParams): 'right' | 'wrong' | 'missing';
}

/**
 * @param path the route, as it arrives here
 * @param query the parameters of the callback URL
 */
export function createCallbackGate(path: string, query: URLSearchParams): CallbackGate {
  const expected = [...new Set(query.keys())].map((name) => ({ name, values: query.getAll(name) }));
  return {
    isPath: (candidate) => isSame(candidate, path),
    check(parameters) {
      const given = expected.map(({ name, values }) => ({ values, got: parameters.getAll(name) }));
      if (given.some(({ values, got }) => got.length > 0 && !isSame(JSON.stringify(got), JSON.stringify(values))))
        return 'wrong';
      return given.every(({ got }) => got.length > 0) ? 'right' : 'missing';
    },
  };
}
