/** What the face serves at a method and a path: made from resources, routes and the built-in views. */
import type { Answer, Exchange } from "./exchange.ts";
import type { HandlerMetrics } from "./handler-metrics.ts";
import type { EndpointKind } from "./headers.ts";

export interface Endpoint {
  readonly method: string;
  /** Complete path with `{name}` parameters, version prefix included. */
  readonly path: string;
  /** Short name for logs and metrics, `kittens.get`. */
  readonly name: string;
  /** Who declared it, for messages: `resource kittens`. */
  readonly declaredBy: string;
  readonly kind: EndpointKind;
  /** False: known but switched off, answers 405. */
  readonly enabled: boolean;
  /** Switched off by its declaration: a route may take its place. */
  readonly vacant: boolean;
  /** Callers are authenticated. */
  readonly identify: boolean;
  /** Answers JSON only: 406 when that is not acceptable. */
  readonly jsonOnly: boolean;
  /** Part of the versioned API: origins that are not allowed are refused. */
  readonly api: boolean;
  /** A probe: never limited, shed or ended, and logged as debug. */
  readonly operational: boolean;
  /** Shed last under overload. */
  readonly important: boolean;
  /** The path carries a secret: logs show its pattern. */
  readonly secretPath: boolean;
  run(exchange: Exchange, params: Readonly<Record<string, string>>): Answer | Promise<Answer>;
}

export interface RegisteredEndpoint extends Endpoint {
  readonly metrics: HandlerMetrics;
}

/** The properties most endpoints share. */
export const endpointDefaults = {
  kind: "other",
  enabled: true,
  vacant: false,
  identify: true,
  jsonOnly: true,
  api: true,
  operational: false,
  important: false,
  secretPath: false,
} as const satisfies Partial<Endpoint>;
