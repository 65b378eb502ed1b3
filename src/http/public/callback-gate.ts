import { isSame } from '../answers.ts';

/** Checks the path and the query of the callback URL. A caller without both sees a server that has neither. */
export interface CallbackGate {
  /** Whether this is the path of the callback URL. */
  isPath(path: string): boolean;
  /**
   * Whether every parameter of the callback URL came back with its value. `missing` means that one is absent, so it may
   * still come in the form: Withings' documentation lists the callback's own parameters among the fields of a
   * notification.
   */
  check(parameters: URLSearchParams): 'right' | 'wrong' | 'missing';
}

/**
 * @param path the path of requests when they arrive here
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
