/**
 * What packages see as `globalThis`. axios looks for `FormData`, `Request` and `Response` there, and looking loads
 * all of undici: some 5 MB, for classes that weighbridge does not use in the daemon.
 */
export const withoutFetch = { AbortController, AbortSignal, clearImmediate, setImmediate };
