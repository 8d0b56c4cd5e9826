/** The settings every service understands. Read once at start: defaults < file < environment < options. */
import { environmentPrefix, readSettings, type SettingsSources } from "./settings/read.ts";
import { settingsSchema } from "./settings/schema.ts";

export interface Settings {
  /** Where the service listens. */
  readonly host: string;
  readonly port: number;
  /** Processes that serve together on this machine; 0: one for each core. */
  readonly workers: number;
  /** Backend URL: `memory:`, `sqlite:PATH`. */
  readonly storage: string;
  /** Whether a start brings an older store up to date. */
  readonly migrate: "auto" | "check";
  /** Folder that notes what is erased; undefined: nothing is noted. */
  readonly erasure_ledger: string | undefined;
  /** How long it keeps what it notes. */
  readonly erasure_ledger_days: number;
  /** Cache URL: `memory:?max_bytes=N`. */
  readonly cache: string;
  readonly log_level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
  /** Paths hidden in log lines beside the secrets that always are. */
  readonly log_redact: readonly string[];
  /** Log lines of requests show the values of query parameters. */
  readonly log_request_details: boolean;
  /** What hello calls the service; undefined: its declared name and version. */
  readonly project_name: string | undefined;
  readonly project_version: string | undefined;
  readonly project_docs: string;
  /** Public origin such as `https://urgence.example`; default: taken from each request. */
  readonly public_origin: string | undefined;
  /** Reverse proxies in front whose `X-Forwarded-For` entries are believed. */
  readonly trusted_proxies: number;
  readonly http_api_version: string;
  readonly error_info_link: string | undefined;
  /** JSON file served at `__version__`; absent: a document made from name and version. */
  readonly version_json_path: string | undefined;
  readonly readonly: boolean;
  /** Largest and default page of a list; undefined: only `storage_max_fetch_size` bounds it. */
  readonly paginate_by: number | undefined;
  readonly storage_max_fetch_size: number;
  /** Longest that one list or count may hold up other requests; 0: as long as it likes. */
  readonly storage_query_budget_ms: number;
  readonly pagination_token_validity_seconds: number;
  readonly cors_origins: readonly string[];
  readonly cors_max_age_seconds: number;
  readonly root_cache_expires_seconds: number;
  readonly trailing_slash_redirect_enabled: boolean;
  readonly trailing_slash_redirect_ttl_seconds: number;
  readonly version_prefix_redirect_enabled: boolean;
  readonly version_prefix_redirect_ttl_seconds: number;
  readonly heartbeat_timeout_seconds: number;
  readonly retry_after_seconds: number;
  readonly backoff: number | undefined;
  readonly backoff_percentage: number | undefined;
  /** End of service: ISO date. */
  readonly eos: string | undefined;
  /** Since when that is announced: ISO date. */
  readonly eos_announced: string | undefined;
  readonly eos_message: string | undefined;
  readonly eos_url: string | undefined;
  /** Endpoints switched off: `{plural|object}_{resource}_{method}`, for example `plural_kittens_delete`. */
  readonly disabled_endpoints: readonly string[];
  /** Largest request body in bytes. */
  readonly body_limit: number;
  /** Deepest nesting of a JSON body. */
  readonly body_depth: number;
  /** Most requests in one batch, and the largest body of one in bytes (default: four times `body_limit`). */
  readonly batch_max_requests: number;
  readonly batch_max_bytes: number | undefined;
  /** Largest request line and headers together, in bytes. */
  readonly header_limit: number;
  /** Longest a request may take to arrive, and its handler to answer. */
  readonly request_timeout_seconds: number;
  /** How long an idle connection stays open. */
  readonly keep_alive_timeout_seconds: number;
  /** Longest wait for requests under way when stopping. */
  readonly stop_timeout_seconds: number;
  /** How long to go on answering after SIGTERM while readiness fails. */
  readonly drain_seconds: number;
  /** More requests than this at once are refused with 429. */
  readonly max_concurrent_requests: number;
  /** Change streams open at once: of all callers, and of one. */
  readonly stream_limit: number;
  readonly stream_limit_per_caller: number;
  /** How long a change stream stays silent. */
  readonly stream_heartbeat_seconds: number;
  /** `QUOTA/SECONDS` of each caller; undefined: unlimited. */
  readonly rate_limit: string | undefined;
  /** How long answers are kept for repetitions of a request; 0: not at all. */
  readonly idempotency_seconds: number;
  /** How long tombstones are kept; undefined: for ever. */
  readonly tombstone_retention_seconds: number | undefined;
  /** Receivers that are told of events. */
  readonly webhooks: readonly WebhookSettings[];
  /** Event-loop delay beyond which requests are shed with 503; 0: never. */
  readonly shed_event_loop_delay_ms: number;
  /** Average duration of a health check beyond which the service is degraded. */
  readonly service_level_ms: number;
  readonly metrics_enabled: boolean;
  /** A port of its own for `/metrics`; undefined: the public port. */
  readonly metrics_port: number | undefined;
  /** Profiles of the running process can be taken. */
  readonly profiler_enabled: boolean;
  /** Where profiles taken by signal are written. */
  readonly profiler_dir: string;
  /** How long to sample for one, where nobody says otherwise. */
  readonly profiler_seconds: number;
  /** Opens the profiler on `metrics_port`; undefined: it is not there. */
  readonly profiler_token: string | undefined;
  /** How often metrics are sent to the two below. */
  readonly metrics_export_seconds: number;
  /** StatsD server: `udp://host:port`. */
  readonly statsd_url: string | undefined;
  /** Where an OpenTelemetry collector takes metrics. */
  readonly otlp_url: string | undefined;
  /** Name of the environment in exported metrics. */
  readonly deployment_environment: string;
}

export interface WebhookSettings {
  /** Position, dead letters and metrics are kept under it. */
  readonly name: string;
  readonly url: string;
  /** `whsec_` and Base64; several while they are being replaced. */
  readonly secret?: string | readonly string[];
  /** The same in a file, one a line. */
  readonly secret_file?: string;
  /** Default: all. */
  readonly resources?: readonly string[];
  /** Default: all. */
  readonly actions?: readonly ("create" | "update" | "delete")[];
  /** Tries of one event before it is a dead letter. Default 20. */
  readonly attempts?: number;
}

/**
 * The settings of the service called `name`; environment variables begin with its name in capitals (`KITTENS_PORT`).
 * @throws SettingsError naming every unknown key and every bad value
 */
export function readServiceSettings(name: string, sources: Omit<SettingsSources, "prefix"> = {}): Settings {
  const settings: Settings = readSettings(settingsSchema, { ...sources, prefix: environmentPrefix(name) });
  return { ...settings, storage: settings.storage.replaceAll("{name}", name) };
}
