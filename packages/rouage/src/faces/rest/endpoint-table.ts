/** The endpoints of a service as one table: no place is claimed twice, and what is left free may be taken. */
import type { Endpoint } from "./exchange.ts";

/** A method that a resource does not offer leaves its place to a route. */
export function withoutVacant(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const taken = new Set(endpoints.filter(({ vacant }) => !vacant).map(placeOf));
  return endpoints.filter((endpoint) => !endpoint.vacant || !taken.has(placeOf(endpoint)));
}

function placeOf({ method, path }: Endpoint): string {
  return `${method} ${path.replaceAll(/\{\w+\}/g, "{}")}`;
}

/** @throws Error naming both who claim a place */
export function refuseDuplicates(endpoints: readonly Endpoint[]): void {
  const seen = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const key = placeOf(endpoint);
    const other = seen.get(key);
    if (other !== undefined && endpoint.method !== "HEAD")
      throw new Error(
        `${endpoint.method} ${endpoint.path} is declared twice: by ${other.declaredBy} and by ${endpoint.declaredBy}`,
      );
    seen.set(key, endpoint);
  }
}
