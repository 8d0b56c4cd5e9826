/** Paths that nothing is registered for: redirected to where they were meant to go, or not found. */
import { ServiceError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import type { Answer } from "./exchange.ts";

export interface Redirects {
  /** @throws ServiceError `version-not-served`, `route-not-found` */
  answer(method: string, path: string, search: string): Answer;
}

export function createRedirects(
  settings: Settings,
  prefix: string,
  httpDate: (milliseconds: number) => string,
  /** Something is registered for the path. */
  exists: (path: string) => boolean,
  now: () => number,
): Redirects {
  const slashTtl = Math.ceil(settings.trailing_slash_redirect_ttl_seconds);
  const prefixTtl = Math.ceil(settings.version_prefix_redirect_ttl_seconds);

  function redirect(path: string, search: string, ttl: number): Answer {
    const location = search === "" ? path : `${path}?${search}`;
    if (ttl < 0) return { status: 307, headers: { location } };
    const expires = httpDate(now() + ttl * 1000);
    return { status: 307, headers: { location, "cache-control": `max-age=${ttl}`, expires } };
  }

  return {
    answer(method, path, search) {
      // The root exists with a slash only.
      if (path === prefix) return redirect(`${prefix}/`, search, slashTtl);
      const version = /^\/v\d+(?=\/|$)/.exec(path)?.[0];
      if (version !== undefined && version !== prefix) throw new ServiceError("version-not-served");
      const bare = path.replace(/\/+$/, "");
      if (settings.trailing_slash_redirect_enabled && bare !== path && !bare.startsWith("//"))
        if (version !== undefined || (bare !== "" && exists(bare))) return redirect(bare, search, slashTtl);
      if (version !== undefined || !settings.version_prefix_redirect_enabled) throw new ServiceError("route-not-found");
      if (method === "OPTIONS") return { status: 200, headers: {} };
      return redirect(prefix + (path.startsWith("/") ? path : `/${path}`), search, prefixTtl);
    },
  };
}
