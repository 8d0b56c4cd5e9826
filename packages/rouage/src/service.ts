/** `service()`: the declaration of a service, and its start. */
import { checkDeclaration } from "./composition/check-declaration.ts";
import { startService } from "./composition/start.ts";
import type { ServiceDeclaration, ServiceDefinition } from "./service-declaration.ts";

export type {
  BackgroundTask,
  Interceptor,
  Plugin,
  Service,
  ServiceContext,
  ServiceDeclaration,
  ServiceDefinition,
  StartOptions,
} from "./service-declaration.ts";
export type { HealthState } from "./telemetry/health.ts";

/**
 * Declares a service: resources, routes, and what runs beside them.
 * @throws Error naming everything that is wrong with the declaration
 * @example export default service({ name: "kittens", version: "1.0.0", resources: [kittens] });
 */
export function service(declaration: ServiceDeclaration): ServiceDefinition {
  checkDeclaration(declaration);
  return { kind: "service", declaration, start: (options) => startService(declaration, options) };
}
