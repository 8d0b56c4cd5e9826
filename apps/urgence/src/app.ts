/** Urgence as one process: its services, each with its own store and log, the calls between them, and one door in front. */
import { type Clock, compose, type Door, type Service, type ServiceDefinition, systemClock } from "rouage";
import { openSecretKeys, openSigningKeys } from "rouage/auth";
import { cacheUrl } from "./cache-url.ts";
import { claimStore } from "./installation.ts";
import { openMail } from "./mail/open.ts";
import { openPlace, refuseHalfRestored } from "./place.ts";
import { accessService } from "./services/access/service.ts";
import { type AccountsAdmin, accountsAdmin } from "./services/accounts/admin.ts";
import { openIdentity } from "./services/accounts/identity.ts";
import { accountsService } from "./services/accounts/service.ts";
import { positionsService } from "./services/positions/service.ts";
import { profilesService } from "./services/profiles/service.ts";
import type { UrgenceSettings } from "./settings.ts";
import { type ServiceCall, type ServiceName, serviceRegistry } from "./shared/client.ts";
import { version } from "./version.ts";
import { withErrorPages } from "./web/front.ts";
import { webService } from "./web/service.ts";

export interface UrgenceOptions {
  readonly clock?: Clock;
  /** False: nothing runs in the background; for commands beside a running server. Default true. */
  readonly tasks?: boolean;
}

/** Urgence, running. */
export interface Urgence extends AsyncDisposable {
  readonly door: Door;
  readonly admin: AccountsAdmin;
  /** Calls to the services, as the application itself. */
  readonly call: ServiceCall;
  service(name: ServiceName): Service;
  stop(): Promise<void>;
}

/** @throws Error when a store or a key file cannot be used */
export async function startUrgence(settings: UrgenceSettings, options: UrgenceOptions = {}): Promise<Urgence> {
  const { clock = systemClock, tasks = true } = options;
  await using undo = new AsyncDisposableStack();
  const place = await openPlace(settings);
  undo.defer(place.release);
  refuseHalfRestored(settings);

  const identity = await openIdentity({ folder: place.keys, clock });
  const secret = async (purpose: string) =>
    (await openSecretKeys({ folder: place.keys, purpose, clock, fixed: true })).active().key;
  const registry = serviceRegistry({ mint: identity.mint, clock });
  const { authentication, phoneHashKey } = identity;
  const subjectKey = await secret("audit-subjects");
  const cardKey = await secret("cards");
  const country = settings.phone_country;
  const publicOrigin = settings.public_origin;
  const mailer = await openMail(settings.mail, { from: settings.mail_from, clock });
  undo.use(mailer);

  const definitions: Readonly<Record<ServiceName, ServiceDefinition>> = {
    access: accessService({
      authentication,
      call: registry.callsFrom("access"),
      phoneHashKey,
      subjectKey,
      auditKeys: await openSigningKeys({ folder: place.keys, purpose: auditKeys, clock }),
      spoolFolder: place.spool,
      country,
      lookupsPerResponderHour: settings.lookups_per_hour,
      lookupsPerSiteHour: settings.site_lookups_per_hour,
    }),
    positions: positionsService({
      authentication,
      call: registry.callsFrom("positions"),
      phoneHashKey,
      country,
      ...(settings.aml_secret === undefined ? {} : { amlSecret: settings.aml_secret }),
    }),
    profiles: profilesService({
      authentication,
      call: registry.callsFrom("profiles"),
      cardKey,
      ...(publicOrigin === undefined ? {} : { publicOrigin }),
    }),
    accounts: accountsService({ identity, mailer, call: registry.callsFrom("accounts"), country }),
  };
  const common = {
    log_level: settings.log_level,
    public_origin: publicOrigin,
    erasure_ledger: place.ledger,
    statsd_url: settings.statsd_url,
    otlp_url: settings.otlp_url,
    deployment_environment: settings.deployment_environment,
    // An answer given again would be a view of a person that nobody records, or a token that was meant to be shown once.
    idempotency_seconds: 0,
  };
  const running = new Map<ServiceName, Service>();
  for (const [name, definition] of Object.entries(definitions) as [ServiceName, ServiceDefinition][]) {
    const own = { storage: place.storage(name), cache: cacheUrl(settings.cache, name) };
    const service = await definition.start({ settings: { ...common, ...own }, clock, tasks });
    undo.use(service);
    running.set(name, service);
    registry.register(name, service);
    // Before anything else is opened: with other keys nothing in the stores could be found.
    if (name === "access") {
      const { emailHashKey, codeKey } = identity;
      const fixed = { "phone-hash": phoneHashKey, "email-hash": emailHashKey, codes: codeKey };
      await claimStore(service.storage, { ...fixed, "audit-subjects": subjectKey, cards: cardKey }, place.keys);
    }
  }
  const web = await webService({
    call: registry.callsFrom("web"),
    clock,
    publicOrigin,
    phoneCountry: country,
  }).start({ settings: { ...common, cache: cacheUrl(settings.cache, "web") }, clock });
  undo.use(web);

  const door = compose({
    name: "urgence",
    version,
    description: "Emergency medical profiles",
    services: [...running.values(), web],
    settings: {
      ...common,
      host: settings.host,
      port: settings.port,
      trusted_proxies: settings.trusted_proxies,
    },
    authentication,
    clock,
  });
  const call = registry.callsFrom("urgence");
  const close = undo.move();
  const stop = async (): Promise<void> => {
    await door.stop();
    await close.disposeAsync();
  };
  return {
    door: withErrorPages(door),
    admin: accountsAdmin(call),
    call,
    service: (name) => {
      const service = running.get(name);
      if (service === undefined) throw new Error(`${name} is not started`);
      return service;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Purpose of the keys that sign the audit; they verify for ever, also after a rotation. */
export const auditKeys = "audit";
