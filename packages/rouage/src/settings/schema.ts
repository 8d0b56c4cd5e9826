/** The one schema of the settings every service understands: type, default and meaning of each. `docs/settings.md` is made from it. */
import { Type } from "typebox";
import { rateLimitPattern } from "./rate-limit.ts";

const seconds = (initial: number, description: string, minimum = 0) =>
  Type.Number({ minimum, maximum: 2_147_483, default: initial, description });

export const settingsSchema = Type.Object({
  host: Type.String({ minLength: 1, default: "127.0.0.1", description: "Address to listen on; `0.0.0.0` for all." }),
  port: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 8888,
    description: "Port to listen on; 0 takes a free one.",
  }),
  workers: Type.Integer({
    minimum: 0,
    maximum: 256,
    default: 1,
    description:
      "Processes of this machine that serve together behind one port; 0: one for each core. See [Scaling](scaling.md).",
  }),
  storage: Type.String({
    expects: "memory:, sqlite:PATH, postgres://… or mongodb://…",
    pattern: "^[a-z][a-z0-9+.-]*:",
    default: "sqlite:data/{name}.db",
    description:
      "URL of the storage: `memory:`, `sqlite:PATH`, relative to the working directory, `postgres://USER:PASSWORD@HOST/DATABASE` or `mongodb://USER:PASSWORD@HOST/DATABASE` (see [Storage](storage.md)); `{name}` is the service's name.",
  }),
  migrate: Type.Enum(["auto", "check"], {
    default: "auto",
    description:
      "What a start does with a store that an older version wrote, or that lacks declared indexes: `auto` brings it up to date, `check` refuses to start and says what `rouage migrate` would do. A store that is not there yet is made in any case.",
  }),
  erasure_ledger: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        "Folder that notes, as keyed hashes, what is erased for good, so that a restored backup brings nothing of it back (see [Restoring](storage.md#restoring)). Keep it outside of what is backed up, best on another disk. Without it, nothing is noted.",
    }),
  ),
  erasure_ledger_days: Type.Integer({
    minimum: 1,
    maximum: 36_500,
    default: 400,
    description: "How long the ledger keeps a line, at least: longer than any backup is kept.",
  }),
  cache: Type.String({
    expects: "memory: or redis://…",
    pattern: "^[a-z][a-z0-9+.-]*:",
    default: "memory:?max_bytes=524288",
    description:
      "URL of the cache: `memory:`, with `?max_bytes=` so many bytes of this process, or `redis://USER:PASSWORD@HOST/DATABASE` (`rediss://` for TLS), which [several instances](instances.md) share.",
  }),
  log_level: Type.Enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
    default: "info",
    description: "Least important log lines to write.",
  }),
  log_redact: Type.Array(Type.String({ minLength: 1 }), {
    default: [],
    description:
      "Further paths whose values never reach the log, such as `body.address` or `items[*].note`. Credentials, codes, phone numbers and mail addresses are always hidden.",
  }),
  project_name: Type.Optional(
    Type.String({ description: "What the hello view calls the service. Without it, its name." }),
  ),
  project_version: Type.Optional(
    Type.String({ description: "Version that the hello view shows. Without it, the service's." }),
  ),
  log_request_details: Type.Boolean({
    default: false,
    description:
      "Show in the log line of each request the values of its query parameters, which may be personal, beside their names. Secrets stay hidden.",
  }),
  project_docs: Type.String({ default: "", description: "Where the service is documented; shown by the hello view." }),
  public_origin: Type.Optional(
    Type.String({
      pattern: "^https?://[^/?#\\s]+$",
      description: "Origin used in links, such as `https://kittens.example`. Without it, each request's `Host`.",
    }),
  ),
  trusted_proxies: Type.Integer({
    minimum: 0,
    maximum: 16,
    default: 0,
    description:
      "How many reverse proxies stand in front. The client's address is then the entry that the outermost of them appended to `X-Forwarded-For`.",
  }),
  http_api_version: Type.String({
    pattern: "^\\d+\\.\\d+$",
    default: "1.23",
    description: "Version of the HTTP protocol; its major number is the path prefix.",
  }),
  error_info_link: Type.Optional(
    Type.String({ description: "Link sent as `info` with unexpected errors (status 500)." }),
  ),
  version_json_path: Type.Optional(
    Type.String({ description: "JSON file served at `/__version__`. Without it, a document of name and version." }),
  ),
  readonly: Type.Boolean({
    default: false,
    description: "Refuse every write with 405; nothing is written to the storage.",
  }),
  paginate_by: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: "Default and largest page of a list. Without it, only `storage_max_fetch_size` bounds a page.",
    }),
  ),
  storage_max_fetch_size: Type.Integer({ minimum: 1, default: 10_000, description: "Most objects read for one page." }),
  storage_query_budget_ms: Type.Number({
    minimum: 0,
    default: 2000,
    description:
      "Longest that one list or count may take in the storage, in milliseconds; then it is refused with 400. 0: as long as it likes.",
  }),
  pagination_token_validity_seconds: seconds(
    600,
    "How long the `Next-Page` of a list deletion can be followed, once.",
    1,
  ),
  cors_origins: Type.Array(Type.String({ minLength: 1 }), {
    default: ["*"],
    description: "Origins whose pages may call the service; `*` for all.",
  }),
  cors_max_age_seconds: seconds(3600, "How long browsers may remember the answer to a preflight request."),
  root_cache_expires_seconds: seconds(86_400, "Cache lifetime of the hello view of a read-only service."),
  trailing_slash_redirect_enabled: Type.Boolean({
    default: true,
    description: "Redirect paths with a trailing slash to the path without it.",
  }),
  trailing_slash_redirect_ttl_seconds: seconds(3600, "Cache lifetime of that redirect; negative: none.", -1),
  version_prefix_redirect_enabled: Type.Boolean({
    default: true,
    description: "Redirect paths without a version prefix to the current version.",
  }),
  version_prefix_redirect_ttl_seconds: seconds(-1, "Cache lifetime of that redirect; negative: none.", -1),
  heartbeat_timeout_seconds: seconds(10, "Longest a health check may take; unfinished ones count as failed.", 0.001),
  retry_after_seconds: seconds(30, "`Retry-After` of answers with status 503."),
  backoff: Type.Optional(
    Type.Integer({ minimum: 0, description: "Ask clients to wait this many seconds, by the `Backoff` header." }),
  ),
  backoff_percentage: Type.Optional(
    Type.Number({ minimum: 0, maximum: 100, description: "Share of answers that carry `Backoff`. Without it, all." }),
  ),
  eos: Type.Optional(
    Type.String({
      pattern: "^\\d{4}-\\d{2}-\\d{2}",
      description: "End of service, an ISO 8601 date: announced before it, 410 after it.",
    }),
  ),
  eos_announced: Type.Optional(
    Type.String({
      pattern: "^\\d{4}-\\d{2}-\\d{2}",
      description: "Since when that is announced, for `Deprecation`. Without it, since the start of the service.",
    }),
  ),
  eos_message: Type.Optional(Type.String({ description: "Message sent with the end-of-service alert." })),
  eos_url: Type.Optional(
    Type.String({ description: "Link sent with the end-of-service alert. Without it, `project_docs`." }),
  ),
  disabled_endpoints: Type.Array(Type.String({ pattern: "^(plural|object)_.+_(get|post|put|patch|delete)$" }), {
    default: [],
    description:
      "Endpoints that answer 405: `{plural|object}_{resource}_{method}`, for example `plural_kittens_delete`.",
  }),
  body_limit: Type.Integer({ minimum: 0, default: 1_048_576, description: "Largest request body, in bytes." }),
  body_depth: Type.Integer({ minimum: 1, default: 64, description: "Deepest nesting of a JSON body." }),
  batch_max_requests: Type.Integer({ minimum: 1, default: 25, description: "Most requests in one batch." }),
  batch_max_bytes: Type.Optional(
    Type.Integer({
      minimum: 1,
      description:
        "Largest body of a batch, in bytes; each request inside is bounded by `body_limit` as well. Without it, four times `body_limit`.",
    }),
  ),
  header_limit: Type.Integer({
    minimum: 1024,
    maximum: 1_048_576,
    default: 16_384,
    description: "Largest request line and headers together, in bytes; more is answered with 431.",
  }),
  request_timeout_seconds: seconds(15, "Longest a request may take to arrive, and its handler to answer.", 0.05),
  keep_alive_timeout_seconds: seconds(
    65,
    "How long an idle connection stays open; longer than that of a proxy in front.",
    0.001,
  ),
  stop_timeout_seconds: seconds(25, "Longest wait for requests under way when stopping; then they are cut."),
  drain_seconds: seconds(
    0,
    "How long to go on answering after SIGTERM while `/readyz` already says no, for load balancers to notice.",
  ),
  max_concurrent_requests: Type.Integer({
    minimum: 1,
    default: 1024,
    description: "More requests at once are refused with 429.",
  }),
  stream_limit: Type.Integer({
    minimum: 0,
    default: 1000,
    description: "More change streams open at once are refused with 429; they do not count as requests.",
  }),
  stream_limit_per_caller: Type.Integer({
    minimum: 0,
    default: 100,
    description: "The same for one principal, or for one address where the caller is not known.",
  }),
  stream_heartbeat_seconds: seconds(
    15,
    "How long a change stream stays silent before it shows that it is alive, and looks whether its caller still may.",
    0.01,
  ),
  rate_limit: Type.Optional(
    Type.String({
      pattern: rateLimitPattern,
      description:
        "Requests that each caller may make in so many seconds, `100/60`, counted in the cache; more are refused with 429. Without it, as many as they like.",
    }),
  ),
  idempotency_seconds: seconds(
    86_400,
    "How long the answer to a request with `Idempotency-Key` is kept for its repetition; 0: such keys are ignored.",
  ),
  tombstone_retention_seconds: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      description:
        "How long tombstones are kept, where their resource says nothing else; clients that were away for longer are told to start afresh. Without it, for ever.",
    }),
  ),
  webhooks: Type.Array(
    Type.Object(
      {
        name: Type.String({ pattern: "^[a-z0-9]+(-[a-z0-9]+)*$", maxLength: 100 }),
        url: Type.String({ pattern: "^https?://[^@\\s]+$" }),
        secret: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
        secret_file: Type.Optional(Type.String({ minLength: 1 })),
        resources: Type.Optional(Type.Array(Type.String())),
        actions: Type.Optional(Type.Array(Type.Enum(["create", "update", "delete"]))),
        attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
      },
      { additionalProperties: false },
    ),
    {
      default: [],
      description:
        "Receivers that are told of every change by signed requests: objects of `name`, `url`, `secret` or `secret_file`, and perhaps `resources`, `actions`, `attempts`; in the environment as JSON. See [Events](events.md#webhooks).",
    },
  ),
  shed_event_loop_delay_ms: Type.Number({
    minimum: 0,
    default: 500,
    description: "Event-loop delay beyond which requests are refused with 503, in milliseconds; 0: never.",
  }),
  service_level_ms: Type.Number({
    minimum: 0,
    default: 1000,
    description: "Average duration of a health check beyond which the service calls itself degraded, in milliseconds.",
  }),
  metrics_enabled: Type.Boolean({ default: true, description: "Collect metrics and serve them as Prometheus text." }),
  metrics_port: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65535,
      description:
        "Port of its own for `/metrics`, on `host`; the public port then answers 404. Without it, `/metrics` is served on the public port.",
    }),
  ),
  profiler_enabled: Type.Boolean({
    default: false,
    description:
      "Let profiles of the running process be taken: by the signal SIGUSR2, and with `profiler_token` on `metrics_port`. See [Profiling](telemetry.md#profiling).",
  }),
  profiler_dir: Type.String({
    minLength: 1,
    default: "profiles",
    description: "Folder that profiles taken by signal are written to; made when it is missing.",
  }),
  profiler_seconds: Type.Integer({
    minimum: 1,
    maximum: 60,
    default: 10,
    description: "How long a profile taken by signal samples, and one taken on `metrics_port` that does not say.",
  }),
  profiler_token: Type.Optional(
    Type.String({
      minLength: 16,
      description: "Secret that opens the profiler on `metrics_port`. Without it, there is no such endpoint.",
    }),
  ),
  metrics_export_seconds: seconds(10, "How often metrics are sent to `statsd_url` and `otlp_url`.", 0.1),
  statsd_url: Type.Optional(
    Type.String({
      pattern: "^udp://[^/?#@\\s]+:\\d{1,5}$",
      description:
        "StatsD server that metrics are sent to, `udp://HOST:PORT`, under names `environment.host.service.group.segment.outcome`.",
    }),
  ),
  otlp_url: Type.Optional(
    Type.String({
      pattern: "^https?://[^@\\s]+$",
      description:
        "OpenTelemetry collector that metrics are sent to as OTLP/HTTP in JSON: the whole URL, such as `http://collector:4318/v1/metrics`.",
    }),
  ),
  deployment_environment: Type.String({
    pattern: "^[A-Za-z0-9_-]{1,64}$",
    default: "development",
    description: "Name of the environment in exported metrics, such as `production`.",
  }),
});
