/** `rouage/cache`: the cache interface, for services that use a cache of their own and for who writes an adapter. */
export type { Cache } from "./cache.ts";
export { type ChangedValue, type ChangeValue, changingValues } from "./change.ts";
export { type OpenCacheOptions, openCache } from "./open.ts";
export { checkTtl, incremented, notANumber } from "./values.ts";
