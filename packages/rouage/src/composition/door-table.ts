/** Which service behind a door serves a URL. */
import { createRouter } from "../faces/rest/router.ts";
import type { Service } from "../service-declaration.ts";

export interface DoorTable {
  /** The service for this URL; "internal" for what no door may show; undefined: the door itself answers. */
  find(url: string): Service | "internal" | undefined;
  readonly paths: readonly { readonly method: string; readonly path: string }[];
}

/** @throws Error when two services serve the same path */
export function createDoorTable(
  services: readonly Service[],
  own: readonly { readonly path: string }[],
  prefix: string,
): DoorTable {
  const router = createRouter<Service>();
  const doorPaths = new Set(own.map(({ path }) => shape(path)));
  const owners = new Map<string, Service>();
  const paths: { method: string; path: string }[] = [];
  for (const service of services)
    for (const { method, path } of service.paths) {
      const key = shape(path);
      // Every service has its own hello, health and documentation; behind a door only the door's are seen.
      if (doorPaths.has(key) || common.has(key) || isInternal(path)) continue;
      paths.push({ method, path });
      const owner = owners.get(key);
      if (owner !== undefined && owner !== service)
        throw new Error(`${path} is served by both ${owner.name} and ${service.name}`);
      if (owner === undefined) {
        owners.set(key, service);
        router.add("ANY", path, service);
      }
    }

  const lookUp = (path: string): Service | undefined => {
    try {
      return router.find("ANY", path)?.value;
    } catch {
      // Not valid UTF-8: the door's own answer says so.
      return undefined;
    }
  };

  return {
    paths,
    find(url) {
      const question = url.indexOf("?");
      const path = question === -1 ? url : url.slice(0, question);
      if (path.length > longestPath) return undefined;
      if (isInternal(path)) return "internal";
      const found = lookUp(path);
      if (found !== undefined) return found;
      // What the service would redirect: a slash too much, the version prefix missing.
      const bare = path.replace(/(?<!\/)\/+$/, "");
      if (bare === "" || doorPaths.has(bare) || doorPaths.has(prefix + bare)) return undefined;
      return (bare === path ? undefined : lookUp(bare)) ?? lookUp(prefix + bare);
    },
  };
}

/** The face refuses longer ones. */
const longestPath = 8192;

/** Not on every door (`metrics_port`), but never a service's own. */
const common: ReadonlySet<string> = new Set(["/metrics"]);

/** True for `/internal` and everything below, with or without version prefix, however it is written. */
function isInternal(path: string): boolean {
  if (!path.includes("%")) return internal.test(path);
  try {
    return internal.test(decodeURIComponent(path));
  } catch {
    return false;
  }
}

const internal = /^\/+(?:v\d+\/+)?internal(?:\/|$)/i;

const shape = (path: string): string => path.replaceAll(/\{\w+\}/g, "{}");
