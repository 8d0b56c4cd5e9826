/** What Kinto's files say about attachments: for all, and for single buckets and collections. */
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { defaultStorage } from "../../settings/backends.ts";
import type { KintoSettings } from "../../settings/kinto-settings.ts";
import type { SettingsReader } from "../../settings/reader.ts";
import { type Extensions, extensionsOf } from "./extensions.ts";

/** What may differ by bucket and collection. */
export interface Rules {
  /** With `{bucket_id}` and `{collection_id}`; empty: right in the folder of all files. */
  readonly folder: string;
  readonly keepOldFiles: boolean;
  /** Names that nobody can guess, instead of those that were sent. */
  readonly randomize: boolean;
  /** With `{filename}`, `{datetime}` and `{rid}`. */
  readonly filenamePattern: string | undefined;
  readonly extensions: Extensions;
  /** By extension without the dot; wins over what was sent. */
  readonly mimetypes: ReadonlyMap<string, string>;
  readonly maxSize: number;
}

export interface AttachmentSettings {
  readonly basePath: string;
  /** True: the folder is ours alone, and goes with us. */
  readonly isTemporary: boolean;
  /** What locations begin with; ends with a slash. */
  readonly baseUrl: string;
  /** Told to clients instead of `baseUrl`. */
  readonly shownUrl: string;
  /** Path under which this server gives the files out; undefined: somebody else does. */
  readonly servedPath: string | undefined;
  rulesFor(bucket: string, collection: string): Rules;
}

const mebibyte = 1024 * 1024;

export function readAttachmentSettings(reader: SettingsReader, { toolkit }: KintoSettings): AttachmentSettings {
  warnOfClouds(reader);
  const all = readRules(reader, "attachment.", {
    folder: "{bucket_id}/{collection_id}",
    keepOldFiles: false,
    randomize: true,
    filenamePattern: undefined,
    extensions: extensionsOf("default"),
    mimetypes: new Map([
      ["pem", "application/x-pem-file"],
      ["geojson", "application/geojson"],
    ]),
    maxSize: 100 * mebibyte,
  });
  const own = overrides(reader, all);
  const origin = typeof toolkit.public_origin === "string" ? toolkit.public_origin : undefined;
  const baseUrl = withSlash(reader.text("attachment.base_url") ?? `${origin ?? ""}/attachments/`);
  const path = reader.text("attachment.base_path");
  const storage = String(toolkit.storage);
  const isTemporary = path === undefined && storage.startsWith("memory:");
  // Beside a database there is no folder of the store: it is where the store's file would be.
  const file = storage.startsWith("sqlite:") ? storage : defaultStorage;
  return {
    basePath:
      path !== undefined
        ? resolve(path)
        : isTemporary
          ? join(tmpdir(), `kinto-attachments-${randomUUID()}`)
          : join(dirname(resolve(file.replace(/^sqlite:(\/\/)?/, ""))), "attachments"),
    isTemporary,
    baseUrl,
    shownUrl: withSlash(reader.text("attachment.extra.base_url") ?? baseUrl),
    servedPath: servedPathOf(baseUrl, origin),
    rulesFor: (bucket, collection) => own.get(`${bucket}/${collection}`) ?? own.get(bucket) ?? all,
  };
}

/** Of a URL that leads here: a path, or one on our own origin, which on a machine for development need not be known. */
function servedPathOf(baseUrl: string, origin: string | undefined): string | undefined {
  const here = origin ?? "http://localhost";
  if (!URL.canParse(baseUrl, here)) return undefined;
  const { origin: asked, hostname, pathname } = new URL(baseUrl, here);
  const isLocal = origin === undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  return (asked === origin || isLocal) && pathname !== "/" ? pathname : undefined;
}

function withSlash(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}

function warnOfClouds(reader: SettingsReader): void {
  const keys = reader.keys(/^attachment\.(gcloud|aws)\./);
  for (const key of keys) reader.accept(key);
  if (keys.length > 0)
    reader.warn(`${keys.join(", ")}: attachments are kept in files here; set attachment.base_path to their folder`);
  if (reader.boolean("attachment.gzipped") === true) reader.warn("attachment.gzipped: files are kept as they are sent");
}

/** `attachment.resources.{bucket}[.{collection}].{name}`; what a bucket says holds for its collections. */
function overrides(reader: SettingsReader, all: Rules): ReadonlyMap<string, Rules> {
  const places = new Map<string, string>();
  for (const key of reader.keys(/^attachment\.resources\./)) {
    const [bucket = "", ...rest] = key.slice("attachment.resources.".length).split(".");
    const collection = rest.length === 2 ? rest[0] : undefined;
    if (rest.length === 0 || rest.length > 2 || !names.has(rest.at(-1) ?? "")) {
      reader.problem(key, `expected attachment.resources.{bucket}[.{collection}]. and one of ${[...names].join(", ")}`);
      continue;
    }
    const place = collection === undefined ? bucket : `${bucket}/${collection}`;
    places.set(place, `attachment.resources.${place.replace("/", ".")}.`);
  }
  const rules = new Map<string, Rules>();
  // Buckets ahead of what is in them.
  for (const [place, prefix] of [...places].sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)))
    rules.set(place, readRules(reader, prefix, rules.get(place.split("/")[0] ?? "") ?? all));
  return rules;
}

const names: ReadonlySet<string> = new Set([
  "folder",
  "keep_old_files",
  "randomize",
  "filename_pattern",
  "extensions",
  "mimetypes",
  "max_size_bytes",
]);

function readRules(reader: SettingsReader, prefix: string, otherwise: Rules): Rules {
  const text = (name: string) => reader.text(prefix + name);
  const extensions = text("extensions");
  const mimetypes = text("mimetypes");
  return {
    folder: pattern("folder", ["bucket_id", "collection_id"]) ?? otherwise.folder,
    keepOldFiles: reader.boolean(`${prefix}keep_old_files`) ?? otherwise.keepOldFiles,
    randomize: reader.boolean(`${prefix}randomize`) ?? otherwise.randomize,
    filenamePattern: pattern("filename_pattern", ["filename", "datetime", "rid"]) ?? otherwise.filenamePattern,
    extensions: extensions === undefined ? otherwise.extensions : extensionsOf(extensions),
    mimetypes: mimetypes === undefined ? otherwise.mimetypes : new Map([...otherwise.mimetypes, ...typesOf(mimetypes)]),
    maxSize: reader.integer(`${prefix}max_size_bytes`, { minimum: 1 }) ?? otherwise.maxSize,
  };

  /** `.ftl:application/vnd.fluent;.db:application/x-sqlite` */
  function typesOf(words: string): readonly (readonly [string, string])[] {
    const pairs = words.split(/[;\s]+/).filter((pair) => pair !== "");
    for (const pair of pairs)
      if (!/^\.?[^:.]+:[\w.+-]+\/[\w.+-]+$/.test(pair))
        reader.problem(`${prefix}mimetypes`, `expected .extension:type/subtype, divided by semicolons; not ${pair}`);
    return pairs.map((pair) => {
      const [extension = "", type = ""] = pair.split(":");
      return [extension.replace(/^\./, "").toLowerCase(), type];
    });
  }

  function pattern(name: string, known: readonly string[]): string | undefined {
    const value = text(name);
    const unknown = [...(value ?? "").matchAll(/\{([^}]*)\}/g)].map(([, word = ""]) => word);
    for (const word of unknown)
      if (!known.includes(word))
        reader.problem(`${prefix}${name}`, `{${word}} is not one of ${known.map((one) => `{${one}}`).join(", ")}`);
    if (value?.split("/").some((segment) => segment.startsWith(".")))
      reader.problem(`${prefix}${name}`, "no part of it may begin with a dot");
    return value?.replace(/^\/+|\/+$/g, "");
  }
}
