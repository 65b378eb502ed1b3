/**
 * Packages see this object as `globalThis`. axios looks for `FormData`, `Request` and `Response` there, and looking
 * loads all of undici: some 5 MB, for classes that the daemon does not use.
 */
export const withoutFetch = { AbortController, AbortSignal, clearImmediate, setImmediate };
