/** The pages as a service: HTML for people, over the same API that everybody else has. */
import { type ServiceDeclaration, type ServiceDefinition, service, systemClock } from "rouage";
import type { WebDeps } from "./page.ts";
import { webRoutes } from "./routes.ts";

export type WebServiceDeps = Omit<WebDeps, "clock" | "cache"> & Partial<Pick<WebDeps, "clock">>;

export function webService({ clock = systemClock, ...deps }: WebServiceDeps): ServiceDefinition {
  const routes: ServiceDeclaration["routes"] = ({ cache }) => webRoutes({ ...deps, clock, cache });
  return service({ name: "web", version: "1.0.0", storage: false, routes });
}
