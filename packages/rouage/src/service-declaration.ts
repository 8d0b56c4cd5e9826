/** What a service is made of, what it is given, and what a running one offers, as types. */
import type { AuthenticationPolicy } from "./auth/policy.ts";
import type { Cache } from "./cache/cache.ts";
import type { Clock } from "./clock.ts";
import type { HttpRequest, HttpResponse } from "./http.ts";
import type { JsonObject } from "./json.ts";
import type { ResourceOperations } from "./operations/operations.ts";
import type { Principal } from "./principal.ts";
import type { Resource } from "./resource.ts";
import type { Hooks } from "./resource-declaration.ts";
import type { Route } from "./route.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage/storage.ts";
import type { HealthState } from "./telemetry/health.ts";
import type { Logger } from "./telemetry/log.ts";
import type { Metrics } from "./telemetry/metrics.ts";

/** What a service is given when it starts, and what its own parts may use. */
export interface ServiceContext {
  readonly name: string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly storage: Storage;
  readonly cache: Cache;
  /** All resources of the service, those of its plugins included. */
  readonly resources: readonly Resource[];
  /** The operations of every declared resource, by resource name. */
  readonly operations: ReadonlyMap<string, ResourceOperations>;
  /** Aborts when the service begins to stop. */
  readonly signal: AbortSignal;
  /** Who makes this request, by the service's authentication policies. Usable once the service has started. @throws ServiceError `invalid-credentials` */
  identify(request: HttpRequest): Principal | Promise<Principal>;
  /** Everything that entries may name to mean this caller: `system.Everyone`, `system.Authenticated`, identities, groups. */
  principalsOf(principal: Principal): readonly string[] | Promise<readonly string[]>;
  /** The service's own door, interceptors included. Usable once the service has started. */
  handle(request: HttpRequest): Promise<HttpResponse>;
}

/** Sees a request before it is routed: answers it, passes it on (perhaps another), or changes the answer. */
export interface Interceptor {
  (request: HttpRequest, next: (request: HttpRequest) => Promise<HttpResponse>): Promise<HttpResponse>;
  /** Told from the request alone whether it is seen at all; a request that concerns no interceptor costs nothing more. Default: all are. */
  readonly concerns?: (request: HttpRequest) => boolean;
}

/** A named parcel of what a service can be given, for many services. Everything in it is added to what the service declares itself. */
export interface Plugin {
  /** Lower-case letters, digits and dashes; no two plugins of a service share one. */
  readonly name: string;
  readonly resources?: readonly Resource[];
  readonly routes?: ServiceDeclaration["routes"];
  /** Tried after the service's own. */
  readonly authentication?: ServiceDeclaration["authentication"];
  readonly tasks?: readonly BackgroundTask[];
  readonly capabilities?: ServiceDeclaration["capabilities"];
  readonly checks?: ServiceDeclaration["checks"];
  /**
   * Hooks on resources that others declare, by resource name. They run after the resource's own and in the order of the plugins; each `before` sees
   * what the one ahead of it returned.
   */
  readonly hooks?: (context: ServiceContext) => Readonly<Record<string, Hooks<JsonObject>>>;
  /** The first plugin's interceptor sees a request first and its answer last. */
  readonly intercept?: (context: ServiceContext) => Interceptor;
  /** What hello shows beside the usual. */
  readonly hello?: (context: ServiceContext) => {
    readonly settings?: JsonObject;
    /** Further keys of `user`, for a caller that is known. */
    readonly user?: (principal: Principal) => JsonObject | Promise<JsonObject>;
  };
}

/** Something that runs as long as the service does: an event consumer, a scheduled job. */
export interface BackgroundTask {
  readonly name: string;
  /**
   * True: of all processes that use the service's store one runs it at a time; when that one ends or is killed, another starts it, as soon as the storage's lease is free. Consumers,
   * listeners and webhooks are so. Default: every process runs it.
   */
  readonly once?: boolean;
  /** Starts it; the returned function (or disposal) ends it and resolves when it has ended. */
  start(context: ServiceContext): Promise<() => Promise<void>> | (() => Promise<void>);
}

export interface ServiceDeclaration {
  /** Lower-case letters, digits and dashes; also the prefix of environment settings (`KITTENS_STORAGE`). */
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly resources?: readonly Resource[];
  /** Routes, or a function that makes them once the service's parts exist. */
  readonly routes?: readonly Route[] | ((context: ServiceContext) => readonly Route[]);
  /** Tried in order; the first that recognises the caller wins. A function is called once at start. */
  readonly authentication?:
    | readonly AuthenticationPolicy[]
    | ((context: ServiceContext) => readonly AuthenticationPolicy[] | Promise<readonly AuthenticationPolicy[]>);
  readonly tasks?: readonly BackgroundTask[];
  readonly plugins?: readonly Plugin[];
  /**
   * False: the service keeps nothing. It declares no resources, no storage is opened whatever the settings say, and none shows in its health; what
   * the toolkit itself has to remember for a while stays in memory.
   */
  readonly storage?: false;
  /** Shown in hello's `capabilities`. */
  readonly capabilities?: Readonly<Record<string, { readonly description: string; readonly url: string }>>;
  /** Further readiness checks by name, for the heartbeat: resolve when usable, throw when not. */
  readonly checks?: (context: ServiceContext) => Readonly<Record<string, () => Promise<void>>>;
}

export interface StartOptions {
  /** Settings that override everything else; the rest comes from defaults < file < environment. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Environment to read settings from. Default: none, so that tests are not surprised; the CLI passes `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where variables of it really come from, for messages: `{ KITTENS_PORT: "--port" }`. */
  readonly environmentNames?: Readonly<Record<string, string>> | undefined;
  /** TOML, YAML, INI or JSON file of settings. Default: the one that `<NAME>_CONFIG` of the environment names. */
  readonly file?: string | undefined;
  /** The file that hello shows as `config`, where who starts the service read one by itself. Default: `file`. */
  readonly configFile?: string | undefined;
  /** Used when the declaration names no authentication; the CLI's development mode gives one. */
  readonly fallbackAuthentication?: readonly AuthenticationPolicy[];
  /** False: nothing runs in the background; for commands beside a running service. Default true. */
  readonly tasks?: boolean;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  /** A storage already open; not closed by `stop`. Default: opened from the `storage` setting and owned by the service. */
  readonly storage?: Storage;
  /** A cache already open; not closed by `stop`. Default: opened from the `cache` setting. */
  readonly cache?: Cache;
}

/** A running service. */
export interface Service extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  readonly context: ServiceContext;
  readonly operations: ReadonlyMap<string, ResourceOperations>;
  readonly storage: Storage;
  /** The web-standard door; never rejects. */
  fetch(request: Request): Promise<Response>;
  /** The same door on plain values; never rejects. */
  handle(request: HttpRequest): Promise<HttpResponse>;
  /** Resolved paths, for composing several services behind one door. */
  readonly paths: readonly { readonly method: string; readonly path: string }[];
  /** As hello shows them. */
  readonly capabilities: Readonly<Record<string, { readonly description: string; readonly url: string }>>;
  /** The OpenAPI 3.1 document. */
  openapi(): Readonly<Record<string, unknown>>;
  /** The AsyncAPI 3.0 document. */
  asyncapi(): Readonly<Record<string, unknown>>;
  health(): Promise<{
    readonly state: HealthState;
    readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly ms: number }>>;
  }>;
  /** Everything measured so far, as Prometheus text. */
  metrics(): string;
  /** Readiness fails from now on; new requests are still answered. */
  drain(): void;
  /** Waits for requests under way (at most `timeoutMs`), ends tasks, closes what the service owns. */
  stop(timeoutMs?: number): Promise<void>;
}

/** What `service()` returns. */
export interface ServiceDefinition {
  readonly kind: "service";
  readonly declaration: ServiceDeclaration;
  start(options?: StartOptions): Promise<Service>;
}
