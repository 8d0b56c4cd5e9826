/** The hello view: what this service is, what it offers, and who is asking. */
import type { JsonObject } from "../../json.ts";
import type { Principal } from "../../principal.ts";
import type { Settings } from "../../settings.ts";
import { jsonType } from "./body.ts";
import type { Answer, Exchange } from "./exchange.ts";

/** What the composition of a service knows and the face does not. */
export interface HelloParts {
  /** Further keys of `settings`. */
  readonly settings?: JsonObject;
  /** All principals of a caller that is known. */
  principalsOf?(principal: Principal): readonly string[] | Promise<readonly string[]>;
  /** Further keys of `user`, for a caller that is known. */
  user?(principal: Principal): JsonObject | Promise<JsonObject>;
}

export interface HelloOptions {
  readonly name: string;
  readonly version: string;
  readonly settings: Settings;
  readonly prefix: string;
  readonly httpDate: (milliseconds: number) => string;
  readonly capabilities: Readonly<Record<string, object>>;
  /** Where the configuration came from. */
  readonly config?: object | undefined;
  readonly hello?: HelloParts | undefined;
}

/** What does not depend on the request is put together once, here. */
export function helloView(options: HelloOptions): (exchange: Exchange) => Promise<Answer> {
  const { settings, prefix, hello = {} } = options;
  const about = {
    project_name: settings.project_name ?? options.name,
    project_version: settings.project_version ?? options.version,
    http_api_version: settings.http_api_version,
    project_docs: settings.project_docs,
  };
  const offered = {
    config: options.config ?? null,
    settings: { batch_max_requests: settings.batch_max_requests, readonly: settings.readonly, ...hello.settings },
    capabilities: options.capabilities,
    eos: settings.eos,
  };
  const seconds = Math.ceil(settings.root_cache_expires_seconds);

  async function userOf(principal: Principal): Promise<object | undefined> {
    if (principal.id === undefined) return undefined;
    const principals = await hello.principalsOf?.(principal);
    return {
      id: principal.id,
      principals: principals ?? ["system.Everyone", "system.Authenticated", principal.id],
      ...(await hello.user?.(principal)),
    };
  }

  return async ({ principal, clock, request }) => {
    const body = JSON.stringify({
      ...about,
      url: `${settings.public_origin ?? request.origin}${prefix}/`,
      ...offered,
      user: await userOf(principal),
    });
    const caching = settings.readonly
      ? {
          "cache-control": principal.id === undefined ? `max-age=${seconds}` : `private, max-age=${seconds}`,
          expires: options.httpDate(clock.now() + seconds * 1000),
          vary: "Authorization, Cookie",
        }
      : { "cache-control": "no-cache, no-store" };
    return { status: 200, headers: { "content-type": jsonType, ...caching }, body };
  };
}
