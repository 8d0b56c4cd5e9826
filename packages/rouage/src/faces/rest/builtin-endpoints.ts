/** The views every service has: hello, heartbeats, version, API description. */
import { readFileSync } from "node:fs";
import type { Settings } from "../../settings.ts";
import type { Logger } from "../../telemetry/log.ts";
import { jsonType } from "./body.ts";
import { endpointDefaults } from "./endpoint.ts";
import type { Answer, Endpoint } from "./exchange.ts";
import { type HelloParts, helloView } from "./hello.ts";

export interface BuiltinParts {
  readonly name: string;
  readonly version: string;
  readonly settings: Settings;
  readonly log: Logger;
  readonly prefix: string;
  readonly httpDate: (milliseconds: number) => string;
  readonly capabilities: Readonly<Record<string, object>>;
  /** Shown in hello: where the configuration came from. */
  readonly config?: object | undefined;
  readonly hello?: HelloParts | undefined;
  /** Served at `contribute.json`; absent: not served. */
  readonly contribute?: object | undefined;
  heartbeat(): Promise<{ readonly ok: boolean; readonly body: object }>;
  openapi(): object;
}

export function builtinEndpoints(parts: BuiltinParts): readonly Endpoint[] {
  const { prefix, settings } = parts;
  const versionText = JSON.stringify(versionDocument(parts));
  let description: string | undefined;

  const view = (path: string, name: string, run: Endpoint["run"], overrides: Partial<Endpoint> = {}) => {
    const endpoint: Endpoint = {
      ...endpointDefaults,
      method: "GET",
      path: prefix + path,
      name,
      declaredBy: `the built-in view ${name}`,
      identify: false,
      run,
      ...overrides,
    };
    return [endpoint, { ...endpoint, method: "HEAD" }];
  };

  return [
    ...view("/", "hello", helloView(parts), { identify: true, lenient: true }),
    ...view(
      "/__heartbeat__",
      "heartbeat",
      async () => {
        const { ok, body } = await parts.heartbeat();
        const headers = ok ? {} : { "retry-after": String(Math.ceil(settings.retry_after_seconds)) };
        return json(JSON.stringify(body), ok ? 200 : 503, headers);
      },
      { operational: true, jsonOnly: false },
    ),
    ...view("/__lbheartbeat__", "lbheartbeat", () => json("{}"), { operational: true, jsonOnly: false }),
    ...view("/__version__", "version", () => json(versionText)),
    ...view("/openapi.json", "openapi", () => {
      description ??= JSON.stringify(parts.openapi());
      return json(description);
    }),
    ...(parts.contribute === undefined
      ? []
      : view("/contribute.json", "contribute", () => json(JSON.stringify(parts.contribute)))),
  ];
}

function json(body: string, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { "content-type": jsonType, "cache-control": "no-cache, no-store", ...headers }, body };
}

/** The configured file, or a document made from name and version: this view never fails. */
function versionDocument({ name, version, settings, log }: BuiltinParts): unknown {
  const made = { name, version };
  if (settings.version_json_path === undefined) return made;
  try {
    return JSON.parse(readFileSync(settings.version_json_path, "utf8"));
  } catch (error) {
    log.warn({ err: error, path: settings.version_json_path }, "version file cannot be read");
    return made;
  }
}
