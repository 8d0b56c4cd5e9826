/** Settings that the toolkit knows by the same name as Kinto, and those that it knows by another. */
import { settingsTable } from "rouage";
import type { Backends } from "./backends.ts";
import type { SettingsReader } from "./reader.ts";

/** Of the toolkit's settings those that were given, unchecked: the toolkit does that. */
export function readToolkitSettings(reader: SettingsReader, backends: Backends): Readonly<Record<string, unknown>> {
  const settings: Record<string, unknown> = {};
  for (const { key, expected } of settingsTable()) {
    if (mapped.has(key)) continue;
    const value = expected.startsWith("list of string")
      ? reader.list(key)
      : expected.startsWith("string")
        ? reader.text(key)
        : reader.native(key);
    if (value !== undefined && value !== "") settings[key] = value;
  }
  // Kinto's default, shorter than the toolkit's.
  settings.retry_after_seconds ??= 3;
  settings.port ??= 8888;
  // Kinto's line of a request shows the query string.
  settings.log_request_details ??= true;
  settings.project_docs ??= "https://kinto.readthedocs.io/";
  return { ...settings, ...backends, ...originOf(reader), disabled_endpoints: disabledEndpoints(reader) };
}

/** Read elsewhere, from settings of other names. */
const mapped: ReadonlySet<string> = new Set(["storage", "cache", "public_origin", "disabled_endpoints", "readonly"]);

/** `http_scheme` and `http_host`: what links begin with. */
function originOf(reader: SettingsReader): { readonly public_origin?: string } {
  const own = reader.text("public_origin");
  const scheme = reader.text("http_scheme");
  const host = reader.text("http_host");
  if (own !== undefined) return { public_origin: own };
  if (host === undefined) {
    if (scheme !== undefined)
      reader.warn("http_scheme has no effect without http_host: links are made from each request");
    return {};
  }
  return { public_origin: `${scheme ?? "http"}://${host}` };
}

const switchPattern = /^(plural|object|collection|record)_([a-z]+)_(get|post|put|patch|delete)_enabled$/;

/** `{plural|object}_{resource}_{method}_enabled=false`; before Kinto 15 the two were called collection and record. */
function disabledEndpoints(reader: SettingsReader): readonly string[] {
  const disabled: string[] = [];
  for (const resource of ["bucket", "collection", "group", "record", "account", "permission", "history"])
    for (const [kind, former] of [
      ["plural", "collection"],
      ["object", "record"],
    ] as const)
      for (const method of ["get", "post", "put", "patch", "delete"])
        for (const key of [`${kind}_${resource}_${method}_enabled`, `${former}_${resource}_${method}_enabled`])
          if (reader.boolean(key) === false) disabled.push(`${kind}_${resource}_${method}`);
  for (const key of reader.keys(switchPattern)) reader.accept(key);
  return [...new Set(disabled)];
}
