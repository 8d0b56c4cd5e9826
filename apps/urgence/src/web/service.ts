/** The pages as a service: HTML for people, over the same API that everybody else has. */
import { type ServiceDefinition, service, systemClock } from "rouage";
import type { WebDeps } from "./page.ts";
import { webRoutes } from "./routes.ts";

export type WebServiceDeps = Omit<WebDeps, "clock" | "cache"> & Partial<Pick<WebDeps, "clock">>;

export function webService({ clock = systemClock, ...deps }: WebServiceDeps): ServiceDefinition {
  return service({ name: "web", version: "1.0.0", routes: ({ cache }) => webRoutes({ ...deps, clock, cache }) });
}
