/** The access service: responders look people up, every access is recorded before its data leaves, and people see who looked. */
import { randomUUIDv7 } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  type AuthenticationPolicy,
  type BackgroundTask,
  predicate,
  type Route,
  type RouteContext,
  reply,
  role,
  route,
  type ServiceContext,
  type ServiceDefinition,
  service,
} from "rouage";
import type { Storage } from "rouage/storage";
import { Type } from "typebox";
import { accessLog, ownLookups, type Page } from "./access-log.ts";
import { auditOutcomes } from "./audit/entry.ts";
import { auditLists } from "./audit/records.ts";
import { erasedType, erasePerson } from "./erase.ts";
import { lookup } from "./lookup.ts";
import { lookupSchema } from "./lookup-request.ts";
import { type AccessOptions, type AccessParts, accessParts } from "./parts.ts";
import { verifyAudit } from "./verify-audit.ts";

export interface AccessDeps extends AccessOptions {
  readonly authentication: readonly AuthenticationPolicy[];
}

/** Whoever looks others up has shown a second factor in this very session; the role alone is not believed. */
export const responderWithOtp = predicate({
  name: "responder with a second factor",
  principal: ({ id, roles, claims }) =>
    id !== undefined && roles.has("responder") && Array.isArray(claims.amr) && claims.amr.includes("otp"),
});

export function accessService(deps: AccessDeps): ServiceDefinition {
  // Routes and tasks of one running service share its parts.
  const made = new WeakMap<Storage, Promise<AccessParts>>();
  const partsOf = (context: ServiceContext): Promise<AccessParts> => {
    const parts = made.get(context.storage) ?? accessParts(deps, context);
    made.set(context.storage, parts);
    return parts;
  };
  return service({
    name: "access",
    version: "1.0.0",
    description: "Lookup by responders, with a tamper-evident record of every access",
    authentication: deps.authentication,
    routes: (context) => [...publicRoutes(deps, context, partsOf), ...internalRoutes(deps, context, partsOf)],
    tasks: [spoolTask(partsOf), followErased(partsOf), maintenance(partsOf)],
  });
}

type PartsOf = (context: ServiceContext) => Promise<AccessParts>;

const pageQuery = Type.Object({
  _limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  _token: Type.Optional(Type.String({ maxLength: 64 })),
});

function publicRoutes(deps: AccessDeps, context: ServiceContext, partsOf: PartsOf): readonly Route[] {
  const { storage, log, clock } = context;
  return [
    route("POST", "/lookup", {
      access: [responderWithOtp],
      body: lookupSchema,
      bodyLimit: 8192,
      important: true,
      summary: "Find a person by exact phone number or card, for an incident and a reason",
      tag: "access",
      async handler({ principal, requestId, trace, signal, body }) {
        const { budget, recorder } = await partsOf(context);
        const anomaly = anomalyReporter(context);
        const { phoneHashKey, call, country = "FR" } = deps;
        const parts = { call, budget, recorder, phoneHashKey, country, anomaly };
        return { data: await lookup(parts, { principal, requestId, trace, signal, clock, log }, body) };
      },
    }),
    route("GET", "/lookups", {
      access: [responderWithOtp],
      query: pageQuery,
      summary: "The responder's own lookups",
      tag: "access",
      handler: async (call) => paged(call, await ownLookups(storage, call.principal, pageOf(call.query))),
    }),
    route("GET", "/me/access-log", {
      access: [role("person")],
      query: pageQuery,
      summary: "Who looked at what I gave",
      tag: "access",
      async handler(call) {
        const { subjects } = await partsOf(context);
        return paged(call, await accessLog(storage, subjects, call.principal.id ?? "", pageOf(call.query)));
      },
    }),
  ];
}

const auditBody = Type.Object(
  {
    level: Type.Integer({ minimum: 0, maximum: 3 }),
    person: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    actor: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    role: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    site: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    service: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    reason: Type.Optional(Type.String({ maxLength: 64 })),
    note: Type.Optional(Type.String({ maxLength: 500 })),
    incident: Type.Optional(Type.String({ maxLength: 64 })),
    sections: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 })),
    outcome: Type.Optional(Type.Enum([...auditOutcomes])),
  },
  { additionalProperties: false },
);

function internalRoutes(deps: AccessDeps, context: ServiceContext, partsOf: PartsOf): readonly Route[] {
  const { storage, clock } = context;
  const internal = { access: [role("service")], unversioned: true, documented: false } as const;
  return [
    route("POST", "/internal/audit", {
      ...internal,
      body: auditBody,
      important: true,
      async handler({ body, requestId }) {
        const { recorder } = await partsOf(context);
        const { level, actor = "card-holder", role = "card-holder", outcome = "shown", ...rest } = body;
        const audit = randomUUIDv7();
        const at = new Date(clock.now()).toISOString();
        await recorder.record({ ...rest, audit, at, level: levelOf(level), actor, role, outcome, request: requestId });
        return reply(201, { data: { audit } });
      },
    }),
    route("DELETE", "/internal/people/{person}", {
      ...internal,
      async handler({ params }) {
        return { data: await erasePerson({ storage, ...(await partsOf(context)) }, params.person) };
      },
    }),
    route("GET", "/internal/audit/verification", {
      ...internal,
      handler: async () => ({ data: await verifyAudit(storage, deps.auditKeys.jwks()) }),
    }),
  ];
}

/** Empties the spool as soon as the store works again: each process its own, and those that the dead have left. */
function spoolTask(partsOf: PartsOf): BackgroundTask {
  return {
    name: "audit-spool",
    async start(context) {
      const { recorder, spool } = await partsOf(context);
      const end = every(1_000, async () => {
        if (spool.waiting()) await recorder.drain();
      });
      return async () => {
        await end();
        await spool.close();
      };
    },
  };
}

/** Learns who was erased by other processes, so that what is on its way here makes no new link. */
function followErased(partsOf: PartsOf): BackgroundTask {
  return {
    name: "audit-erased",
    async start(context) {
      const { storage, log } = context;
      const { subjects } = await partsOf(context);
      const stop = new AbortController();
      const { signal } = stop;
      let after = await storage.position();
      const follow = async (): Promise<void> => {
        while (!signal.aborted) {
          try {
            const resources = [auditLists.subjects];
            for await (const { position, type, id } of storage.log({ after, follow: true, resources, signal })) {
              after = position;
              if (type === erasedType) subjects.erasedRow(id);
            }
            if (!signal.aborted) await pause(signal);
          } catch (error) {
            if (signal.aborted) return;
            log.warn({ error: String(error) }, "audit: erasures elsewhere cannot be followed, it is tried again");
            await pause(signal);
          }
        }
      };
      const following = follow();
      return async () => {
        stop.abort();
        await following;
      };
    },
  };
}

async function pause(signal: AbortSignal): Promise<void> {
  await delay(1_000, undefined, { signal, ref: false }).catch(() => {});
}

/** Signs finished days, removes what is too old. */
function maintenance(partsOf: PartsOf): BackgroundTask {
  return {
    name: "audit-maintenance",
    once: true,
    async start(context) {
      const { maintain } = await partsOf(context);
      return every(15 * 60_000, async () => {
        await maintain().catch((error) =>
          context.log.error({ error: String(error) }, "audit: maintenance failed, it will be tried again"),
        );
      });
    },
  };
}

/** Now and then, one after the other; the returned function ends it. */
function every(ms: number, work: () => Promise<void>): () => Promise<void> {
  let running = work();
  const timer = setInterval(() => {
    running = running.then(work);
  }, ms).unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/** A used-up budget is worth a look: a warning in the log, and an event with identifiers only. */
function anomalyReporter({ storage, log }: ServiceContext) {
  return ({ actor, scope, site }: { readonly actor: string; readonly site?: string; readonly scope: string }) => {
    const data = { actor, scope, kind: "lookup-budget", ...(site === undefined ? {} : { site }) };
    log.warn(data, "a budget of lookups is used up");
    const key = { resource: auditLists.events, parent: "", id: randomUUIDv7() };
    Promise.resolve(storage.commit([{ kind: "event", key, type: "access.anomaly", data }])).catch((error) =>
      log.error({ error: String(error) }, "an anomaly could not be published"),
    );
  };
}

function levelOf(level: number): 0 | 1 | 2 | 3 {
  return level === 1 || level === 2 || level === 3 ? level : 0;
}

interface PageQuery {
  readonly _limit?: number;
  readonly _token?: string;
}

function pageOf({ _limit = 50, _token }: PageQuery) {
  return { limit: _limit, token: _token };
}

function paged({ request }: Pick<RouteContext<never, PageQuery, never>, "request">, { data, next }: Page) {
  if (next === undefined) return { data };
  const url = new URL(request.url, request.origin);
  url.searchParams.set("_token", next);
  return reply(200, { data }, { "next-page": url.href });
}
