/** What most endpoints have in common. */
import type { Endpoint } from "./exchange.ts";

/** The properties most endpoints share. */
export const endpointDefaults = {
  kind: "other",
  enabled: true,
  vacant: false,
  identify: true,
  lenient: false,
  jsonOnly: true,
  api: true,
  operational: false,
  important: false,
  secretPath: false,
  ownLimit: false,
} as const satisfies Partial<Endpoint>;
