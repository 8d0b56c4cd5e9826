/** A log entry as adapters that speak SQL keep it: the columns of its table, and an entry from a row of them. */
import type { LogEntry } from "./storage.ts";

/** In the order in which `logEntry` takes them. */
export const logColumns =
  "position, time, resource, parent, id, action, revision, type, body, principal, request_id, traceparent";

export function logEntry(row: readonly unknown[]): LogEntry {
  const [position, time, resource, parent, id, action, revision, type, body, principal, requestId, traceparent] = row;
  return {
    position: position as number,
    time: time as number,
    resource: resource as string,
    parent: parent as string,
    id: id as string,
    action: action as LogEntry["action"],
    revision: revision as number,
    ...(type === null ? {} : { type: type as string }),
    ...(body === null ? {} : { body: body as string }),
    ...(principal === null ? {} : { principal: principal as string }),
    ...(requestId === null ? {} : { requestId: requestId as string }),
    ...(traceparent === null ? {} : { traceparent: traceparent as string }),
  };
}
