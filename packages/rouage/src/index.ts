/** The public face of Rouage: re-exports only. */
export type { AuthenticationPolicy } from "./auth/policy.ts";
export {
  type ConsumeContext,
  type Consumer,
  type ConsumerOptions,
  type ConsumerRetry,
  consume,
  type DeadLetter,
  deadLetters,
} from "./bus/consumer.ts";
export type { ChangeAction, ChangeEvent, ChangePayload, ImpactedObject } from "./bus/events.ts";
export { type ListenerContext, type ListenerOptions, listen } from "./bus/events-listener.ts";
export { type FollowOptions, follow } from "./bus/follow.ts";
export { changedRequest, type RequestChanges } from "./changed-request.ts";
export { type Clock, type ManualClock, manualClock, systemClock } from "./clock.ts";
export { type ComposeOptions, compose, type Door } from "./compose.ts";
export { operationContext } from "./composition/operation-context.ts";
export {
  type ErrorCode,
  type ErrorKind,
  errorTable,
  invalid,
  ServiceError,
  type Violation,
  violationError,
} from "./errors.ts";
export { toFetch } from "./faces/rest/fetch.ts";
export { type ListReplyOptions, listReply } from "./faces/rest/list-reply.ts";
export { preconditionsOf } from "./faces/rest/preconditions.ts";
export { bodyStream, type HttpBody, type HttpRequest, type HttpResponse } from "./http.ts";
export type { Json, JsonObject } from "./json.ts";
export {
  authenticated,
  everyone,
  nobody,
  owner,
  type Predicate,
  predicate,
  type Rule,
  role,
} from "./operations/access.ts";
export type { OperationContext } from "./operations/context.ts";
export type {
  Explanation,
  ResourceOperations,
  WatchEvent,
  WatchedChange,
  WatchRequest,
} from "./operations/operations.ts";
export { objectKeyOf, objectPathOf } from "./operations/sharing/object-path.ts";
export { type Correlated, correlationHeaders, type TraceContext } from "./operations/trace.ts";
export { anonymous, type Principal } from "./principal.ts";
export {
  type Access,
  type CacheSeconds,
  type FieldAccess,
  type FinishedWrite,
  type Hooks,
  type Meta,
  type PendingWrite,
  type Resource,
  type ResourceOptions,
  resource,
  type Sharing,
  type StoredWrite,
  type WriteAction,
} from "./resource.ts";
export { type Reply, type Route, type RouteContext, type RouteOptions, reply, route } from "./route.ts";
export {
  type BackgroundTask,
  type HealthState,
  type Interceptor,
  type Plugin,
  type Service,
  type ServiceContext,
  type ServiceDeclaration,
  type ServiceDefinition,
  type StartOptions,
  service,
} from "./service.ts";
export {
  environmentPrefix,
  readSettings,
  SettingsError,
  type SettingsOf,
  type SettingsProblem,
  type SettingsSources,
} from "./settings/read.ts";
export { type SettingRow, settingsMarkdown, settingsTable } from "./settings/table.ts";
export type { Settings } from "./settings.ts";
export { type Logger, silentLogger } from "./telemetry/log.ts";
