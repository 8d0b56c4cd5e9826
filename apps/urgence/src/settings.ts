/** Urgence's settings, read once at start from a file and the environment; `--help` and docs/settings.md show this table. */
import { readSettings, type SettingsOf } from "rouage";
import { Type } from "typebox";

export const urgenceSettingsSchema = Type.Object({
  port: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 8080,
    description: "Port to listen on; 0 takes a free one.",
  }),
  host: Type.String({
    minLength: 1,
    default: "127.0.0.1",
    description:
      "Address to listen on. Browsers accept the session cookie only over HTTPS or on localhost: put TLS in front of any other address.",
  }),
  workers: Type.Integer({
    minimum: 0,
    maximum: 256,
    default: 1,
    description: "Processes that serve together on this machine; 0: one for each core. See [Scaling](scaling.md).",
  }),
  storage: Type.String({
    pattern: "^(memory:|sqlite:.+|(postgres|postgresql|mongodb|mongodb\\+srv)://.+)$",
    default: "sqlite:data",
    description:
      "`sqlite:FOLDER` (one file a service, everything else in it too), `postgres://USER:PASSWORD@HOST/DATABASE` (one schema a service, `urgence_accounts` and so on; `?schema=NAME` begins their names otherwise; `npm install pg` first), `mongodb://USER:PASSWORD@HOST/DATABASE` (collections whose names begin so; `?prefix=NAME`; `npm install mongodb` first) or `memory:`.",
  }),
  data_folder: Type.String({
    minLength: 1,
    default: "data",
    description:
      "Folder of what is not in a database: `keys`, `spool` and `demo.json`. Each process has one of its own. With `sqlite:FOLDER` it is that folder.",
  }),
  cache: Type.String({
    pattern: "^(memory:|rediss?://)",
    default: "memory:",
    description:
      "Where tries and lookups are counted: `memory:` of this process, or `redis://USER:PASSWORD@HOST/DATABASE` (`rediss://` for TLS), which [several instances](instances.md) share.",
  }),
  keys: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        "Folder of the keys and the pepper, the same for all processes on one database. Default: `keys` inside of the data folder; with `memory:` a temporary folder.",
    }),
  ),
  erasure_ledger: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        "Folder that notes, as keyed hashes, who was erased, so that a restored backup brings nobody back. Best on another disk. Default: beside the folder of `sqlite:`, with `-erased` behind its name; other databases have none.",
    }),
  ),
  mail: Type.String({
    pattern: "^(file:.+|smtps?://.+)$",
    default: "file:data/mail",
    description:
      "Where mails go: `file:FOLDER` writes .eml files, `smtp://user:password@host:port` or `smtps://…` sends them.",
  }),
  mail_from: Type.String({
    pattern: "^([^<>@\\r\\n]+ <[^<>@\\s]+@[^<>@\\s]+>|[^<>@\\s]+@[^<>@\\s]+)$",
    default: "Urgence <urgence@localhost>",
    description: "Sender of the mails, `NAME <ADDRESS>` or an address alone.",
  }),
  demo: Type.Optional(
    Type.Boolean({
      description:
        "Make a demo person and a demo responder on an empty store. Default: true, but false with `NODE_ENV=production`, where `true` is refused.",
    }),
  ),
  public_origin: Type.Optional(
    Type.String({
      pattern: "^https?://[^/?#\\s]+$",
      description:
        "Origin used in links and QR codes, such as `https://urgence.example`. Without it, each request's `Host`.",
    }),
  ),
  phone_country: Type.String({
    pattern: "^[A-Z]{2}$",
    default: "FR",
    description: "Country of phone numbers typed without an international prefix (ISO 3166-1 alpha-2).",
  }),
  trusted_proxies: Type.Integer({
    minimum: 0,
    maximum: 16,
    default: 0,
    description:
      "How many reverse proxies stand in front. The client's address is then the entry that the outermost of them appended to `X-Forwarded-For`.",
  }),
  aml_secret: Type.Optional(
    Type.String({
      minLength: 16,
      description: "Shared secret of the Advanced Mobile Location sender; set: unsigned messages are rejected.",
    }),
  ),
  lookups_per_hour: Type.Integer({
    minimum: 1,
    default: 60,
    description: "Most lookups of one responder within an hour.",
  }),
  site_lookups_per_hour: Type.Integer({
    minimum: 1,
    default: 600,
    description: "Most lookups of all responders of one site within an hour.",
  }),
  log_level: Type.Enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
    default: "info",
    description: "Least important log lines to write.",
  }),
  statsd_url: Type.Optional(
    Type.String({
      pattern: "^udp://[^/?#@\\s]+:\\d{1,5}$",
      description: "StatsD server that metrics are sent to, `udp://HOST:PORT`.",
    }),
  ),
  otlp_url: Type.Optional(
    Type.String({
      pattern: "^https?://[^@\\s]+$",
      description: "Where an OpenTelemetry collector takes metrics, such as `http://collector:4318/v1/metrics`.",
    }),
  ),
  deployment_environment: Type.String({
    pattern: "^[A-Za-z0-9_-]{1,64}$",
    default: "development",
    description: "Name of the environment in exported metrics, such as `production`.",
  }),
});

export type UrgenceSettings = SettingsOf<typeof urgenceSettingsSchema>;

/**
 * Reads the settings: `URGENCE_<KEY>`, with `PORT` and `HOST` also under their usual names.
 * @throws SettingsError naming everything that is unknown or wrong
 */
export function readUrgenceSettings(
  environment: Readonly<Record<string, string | undefined>>,
  options: Readonly<Record<string, unknown>> = {},
): UrgenceSettings {
  const usual = usualNames.filter((name) => environment[`URGENCE_${name}`] === undefined);
  const each = <T>(of: (name: string) => T) => Object.fromEntries(usual.map((name) => [`URGENCE_${name}`, of(name)]));
  return readSettings(urgenceSettingsSchema, {
    prefix: "URGENCE_",
    environment: { ...environment, ...each((name) => environment[name]) },
    environmentNames: each((name) => `environment ${name}`),
    options,
  });
}

/** Settings that platforms give under names of their own. */
const usualNames = ["PORT", "HOST"] as const;
