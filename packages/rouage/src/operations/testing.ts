/** What tests of operations share: callers, a context, and operations over a storage in memory. */
import assert from "node:assert/strict";
import { type ManualClock, manualClock } from "../clock.ts";
import { type ErrorCode, ServiceError } from "../errors.ts";
import { anonymous, type Principal } from "../principal.ts";
import type { Resource } from "../resource.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { OperationContext } from "./context.ts";
import { createAllOperations, definitionOf, type OperationSettings } from "./create-operations.ts";
import type { ResourceOperations } from "./operations.ts";

export interface Bench {
  readonly clock: ManualClock;
  readonly storage: Storage;
  readonly operations: (resource: Resource) => ResourceOperations;
  readonly as: (principal: Principal, signal?: AbortSignal) => OperationContext;
}

export async function bench(
  resources: readonly Resource[],
  settings: Partial<OperationSettings> = {},
  wrap: (storage: Storage, clock: ManualClock) => Storage = (storage) => storage,
): Promise<Bench> {
  const clock = manualClock();
  const storage = wrap(memoryStorage({ clock }), clock);
  await storage.define(resources.map(definitionOf));
  const dependencies = { storage, clock, log: silentLogger, settings: { maxFetch: 1000, ...settings } };
  const all = createAllOperations(resources, dependencies);
  return {
    clock,
    storage,
    operations(resource) {
      const found = all.get(resource.name);
      assert.ok(found, `no operations of ${resource.name}`);
      return found;
    },
    as: (principal, signal = new AbortController().signal) => ({
      principal,
      requestId: "request-1",
      signal,
      log: silentLogger,
      clock,
    }),
  };
}

export function caller(id: string, ...roles: string[]): Principal {
  return { id, roles: new Set(roles), claims: {}, policy: "test" };
}

export const nobodyKnown = anonymous;
export const ann = caller("account:ann");
export const bob = caller("account:bob");

/** The ServiceError that the work ends with. */
export async function failure(work: () => unknown, code?: ErrorCode): Promise<ServiceError> {
  try {
    await work();
  } catch (error) {
    if (!ServiceError.is(error)) throw error;
    if (code !== undefined) assert.equal(error.code, code, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `expected ${code ?? "an error"}, but it succeeded` });
}

/** `location name code` of each violation. */
export function violations(error: ServiceError): readonly string[] {
  assert.ok(Array.isArray(error.details), `no violations: ${error.code} ${error.message}`);
  return error.details.map(({ location, name, code }) => `${location} ${name} ${code}`);
}
