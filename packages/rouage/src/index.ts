/** The public face of Rouage: re-exports only. */
export { type Clock, type ManualClock, manualClock, systemClock } from "./clock.ts";
export {
  type ErrorCode,
  type ErrorKind,
  errorTable,
  invalid,
  ServiceError,
  type Violation,
  violationError,
} from "./errors.ts";
export type { HttpBody, HttpRequest, HttpResponse } from "./http.ts";
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
export { anonymous, type Principal } from "./principal.ts";
export {
  type Access,
  type FieldAccess,
  type FinishedWrite,
  type Hooks,
  type Meta,
  type PendingWrite,
  type Resource,
  type ResourceOptions,
  resource,
  type WriteAction,
} from "./resource.ts";
export { type Reply, type Route, reply, route } from "./route.ts";
export { type Logger, silentLogger } from "./telemetry/log.ts";
