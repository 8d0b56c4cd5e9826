/**
 * Every metric the toolkit itself makes: the one list behind docs/telemetry.md, the names of the exporters, and dashboards. Tests
 * compare it with what running services measure, so that neither can lack an entry. Services may have further metrics of their own.
 */

export interface MetricDefinition {
  /** As Prometheus shows it. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** UCUM: `s` seconds, `By` bytes, `{request}` requests. */
  readonly unit: string;
  /** Beside `service`, which all but the process's have. */
  readonly labels: readonly string[];
  readonly help: string;
  /** Name for OpenTelemetry: the semantic conventions' where they have one. */
  readonly otlp: string;
  /** What OpenTelemetry makes of a gauge whose values add up over instances. */
  readonly additive?: boolean;
}

export const metricList: readonly MetricDefinition[] = [
  // Handlers: one for each endpoint, named as in the log.
  {
    name: "rouage_handler_called_total",
    type: "counter",
    unit: "{request}",
    labels: ["handler"],
    help: "Requests that reached a handler.",
    otlp: "rouage.handler.called",
  },
  {
    name: "rouage_handler_success_total",
    type: "counter",
    unit: "{request}",
    labels: ["handler"],
    help: "Requests answered with 1xx to 3xx.",
    otlp: "rouage.handler.success",
  },
  {
    name: "rouage_handler_refused_total",
    type: "counter",
    unit: "{request}",
    labels: ["handler"],
    help: "Requests answered with 4xx.",
    otlp: "rouage.handler.refused",
  },
  {
    name: "rouage_handler_failure_total",
    type: "counter",
    unit: "{request}",
    labels: ["handler"],
    help: "Requests answered with 5xx.",
    otlp: "rouage.handler.failure",
  },
  {
    name: "rouage_handler_duration_seconds",
    type: "histogram",
    unit: "s",
    labels: ["handler"],
    help: "Time from the arrival of a request to its answer.",
    otlp: "http.server.request.duration",
  },

  // The service as a whole.
  {
    name: "service_requests_running",
    type: "gauge",
    unit: "{request}",
    labels: [],
    help: "Requests being answered",
    otlp: "http.server.active_requests",
    additive: true,
  },
  {
    name: "service_health_state",
    type: "gauge",
    unit: "1",
    labels: [],
    help: "Judgement of the last health checks: 0 healthy, 1 degraded, 2 unhealthy",
    otlp: "rouage.service.health_state",
  },
  {
    name: "authentication_total",
    type: "counter",
    unit: "{request}",
    labels: ["policy", "outcome"],
    help: "Requests by authentication policy: accepted, refused (credentials that are not valid), failed (an error of the policy)",
    otlp: "rouage.authentication",
  },
  {
    name: "telemetry_exports_total",
    type: "counter",
    unit: "{export}",
    labels: ["exporter", "outcome"],
    help: "Exports of metrics: sent, failed",
    otlp: "rouage.telemetry.exports",
  },

  // Storage.
  {
    name: "storage_commits_total",
    type: "counter",
    unit: "{commit}",
    labels: ["outcome"],
    help: "Commits: committed, conflict (a precondition or unique constraint), failed",
    otlp: "rouage.storage.commits",
  },
  {
    name: "storage_commit_duration_seconds",
    type: "histogram",
    unit: "s",
    labels: [],
    help: "Time until a commit was durable",
    otlp: "rouage.storage.commit.duration",
  },
  {
    name: "storage_group_writes",
    type: "histogram",
    unit: "{write}",
    labels: [],
    help: "Writes that shared one transaction, and so one fsync",
    otlp: "rouage.storage.group.writes",
  },
  {
    name: "storage_transactions_total",
    type: "counter",
    unit: "{transaction}",
    labels: ["outcome"],
    help: "Transactions: committed, rolled-back",
    otlp: "rouage.storage.transactions",
  },
  {
    name: "storage_transaction_duration_seconds",
    type: "histogram",
    unit: "s",
    labels: [],
    help: "Time until a transaction was durable, waiting for its turn included",
    otlp: "rouage.storage.transaction.duration",
  },
  {
    name: "storage_reads_total",
    type: "counter",
    unit: "{read}",
    labels: ["operation"],
    help: "Reads: get, list, count",
    otlp: "rouage.storage.reads",
  },
  {
    name: "storage_read_duration_seconds",
    type: "histogram",
    unit: "s",
    labels: ["operation"],
    help: "Duration of reads; of get every 64th is timed",
    otlp: "rouage.storage.read.duration",
  },

  // The cache.
  {
    name: "cache_reads_total",
    type: "counter",
    unit: "{read}",
    labels: ["outcome"],
    help: "Values asked of the cache: hit, miss, failed",
    otlp: "rouage.cache.reads",
  },
  {
    name: "cache_failures_total",
    type: "counter",
    unit: "{call}",
    labels: [],
    help: "Calls of the cache, reads included, that failed because it could not be reached",
    otlp: "rouage.cache.failures",
  },
  {
    name: "cache_evictions_total",
    type: "counter",
    unit: "{value}",
    labels: [],
    help: "Values dropped because room was needed",
    otlp: "rouage.cache.evictions",
  },

  // Change streams and webhooks.
  {
    name: "streams_open",
    type: "gauge",
    unit: "{stream}",
    labels: [],
    help: "Change streams that are open",
    otlp: "rouage.streams.open",
    additive: true,
  },
  {
    name: "stream_events_total",
    type: "counter",
    unit: "{event}",
    labels: [],
    help: "Changes sent to change streams",
    otlp: "rouage.stream.events",
  },
  {
    name: "stream_ends_total",
    type: "counter",
    unit: "{stream}",
    labels: ["reason"],
    help: "Change streams by why they ended: client (gone), slow (reads too slowly), refused (access or credentials ended), drained, failed",
    otlp: "rouage.stream.ends",
  },
  {
    name: "webhook_deliveries_total",
    type: "counter",
    unit: "{request}",
    labels: ["webhook", "outcome"],
    help: "Webhook requests by what became of them: delivered, failed (a try), gone (the receiver wants no more)",
    otlp: "rouage.webhook.deliveries",
  },

  // Consumers of a log.
  {
    name: "consumer_entries_total",
    type: "counter",
    unit: "{entry}",
    labels: ["consumer", "outcome"],
    help: "Log entries by what became of them: handled, failed (a try), dead-letter",
    otlp: "rouage.consumer.entries",
  },
  {
    name: "consumer_position",
    type: "gauge",
    unit: "{position}",
    labels: ["consumer"],
    help: "Position up to which the log is handled",
    otlp: "rouage.consumer.position",
  },
  {
    name: "consumer_lag_positions",
    type: "gauge",
    unit: "{position}",
    labels: ["consumer"],
    help: "Positions of the log behind its end, 0 when nothing waits; as of the previous reading",
    otlp: "rouage.consumer.lag",
  },
  {
    name: "consumer_lag_seconds",
    type: "gauge",
    unit: "s",
    labels: ["consumer"],
    help: "Age of the oldest entry that waits, 0 when none does; as of the previous reading",
    otlp: "rouage.consumer.lag.time",
  },

  // The process: without the label `service`, because services may share one.
  {
    name: "nodejs_eventloop_delay_mean_seconds",
    type: "gauge",
    unit: "s",
    labels: [],
    help: "Mean delay of the event loop, last second",
    otlp: "nodejs.eventloop.delay.mean",
  },
  {
    name: "nodejs_eventloop_delay_p99_seconds",
    type: "gauge",
    unit: "s",
    labels: [],
    help: "99th percentile of the same",
    otlp: "nodejs.eventloop.delay.p99",
  },
  {
    name: "nodejs_eventloop_delay_max_seconds",
    type: "gauge",
    unit: "s",
    labels: [],
    help: "Maximum of the same",
    otlp: "nodejs.eventloop.delay.max",
  },
  {
    name: "nodejs_heap_used_bytes",
    type: "gauge",
    unit: "By",
    labels: [],
    help: "JavaScript heap in use",
    otlp: "rouage.process.heap.used",
    additive: true,
  },
  {
    name: "nodejs_gc_runs",
    type: "gauge",
    unit: "{collection}",
    labels: [],
    help: "Garbage collections since the start",
    otlp: "rouage.process.gc.runs",
  },
  {
    name: "nodejs_gc_seconds",
    type: "gauge",
    unit: "s",
    labels: [],
    help: "Time spent in them",
    otlp: "rouage.process.gc.time",
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    unit: "By",
    labels: [],
    help: "Resident memory",
    otlp: "process.memory.usage",
    additive: true,
  },
  {
    name: "process_uptime_seconds",
    type: "gauge",
    unit: "s",
    labels: [],
    help: "Time since the start of the process",
    otlp: "process.uptime",
  },
];
