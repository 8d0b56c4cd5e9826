/** Routes around the profile: erasing it, its history, import and export, and what others see of it. */
import { randomUUID, randomUUIDv7 } from "node:crypto";
import {
  invalid,
  type OperationContext,
  type Route,
  reply,
  role,
  route,
  type ServiceContext,
  ServiceError,
} from "rouage";
import { Type } from "typebox";
import type { ServiceCall } from "../../shared/client.ts";
import type { Cards } from "./cards.ts";
import { emergencyView } from "./emergency-view.ts";
import { ipsBundle } from "./fhir-export.ts";
import { collectElsewhere } from "./full-export.ts";
import { history } from "./history.ts";
import { importBundle, notABundle } from "./import/import.ts";
import { questions } from "./missing.ts";
import { matches, type WishedRevision, wishedRevision } from "./preconditions.ts";
import { freshProfile } from "./schema.ts";
import { erasePerson, lists, loadProfile, notFound } from "./store.ts";

export interface ProfileRoutesOptions {
  readonly context: ServiceContext;
  readonly call: ServiceCall;
  readonly cards: Cards;
  /** Contexts of writes that an import makes. */
  readonly imports: WeakSet<OperationContext>;
}

const importLimit = 4 * 1024 * 1024;
const fhirJson = "application/fhir+json";

export function profileRoutes(options: ProfileRoutesOptions): readonly Route[] {
  const { context } = options;
  const { storage, clock } = context;
  const person = { access: [role("person")], tag: "profile" } as const;
  const internal = { access: [role("service")], unversioned: true, documented: false } as const;

  const viewOf = async (id: string) => {
    const stored = await loadProfile(storage, id);
    const updated = stored === undefined ? {} : { updated: stored.revision };
    return emergencyView(stored?.profile ?? freshProfile(), { now: clock.now(), ...updated });
  };

  return [
    route("DELETE", "/me/profile", {
      ...person,
      summary: "Erases the profile, its history and its card for good; answers what went",
      async handler({ principal, request, requestId }) {
        const id = idOf(principal.id);
        const stored = await loadProfile(storage, id);
        const hasCard = await options.cards.get(id).then(
          () => true,
          () => false,
        );
        assertMatches(wishedRevision(request.header("if-match")), stored?.revision);
        if (stored === undefined && !hasCard) throw notFound(lists.profile);
        return { data: { erased: true, ...(await erasePerson(storage, id, requestId)) } };
      },
    }),

    route("GET", "/me/history", {
      ...person,
      query: Type.Object({
        _limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 50 })),
        _token: Type.Optional(Type.String({ maxLength: 20 })),
      }),
      summary: "Versions of the profile, newest first, with the sections that changed",
      async handler({ principal, request, query: { _limit = 50, _token } }) {
        const { data, next } = await history(storage, idOf(principal.id), { limit: _limit, token: _token });
        if (next === undefined) return { data };
        const url = new URL(request.url, context.settings.public_origin ?? request.origin);
        url.searchParams.set("_token", next);
        return reply(200, { data }, { "next-page": url.href });
      },
    }),

    route("GET", "/me/emergency-view", {
      ...person,
      summary: "What a rescuer sees",
      handler: async ({ principal }) => ({ data: await viewOf(idOf(principal.id)) }),
    }),

    route("GET", "/me/missing", {
      ...person,
      summary: "What is missing, incomplete, or to be confirmed again",
      async handler({ principal }) {
        const stored = await loadProfile(storage, idOf(principal.id));
        return { data: questions(stored?.profile ?? freshProfile(), clock.now()) };
      },
    }),

    route("POST", "/me/import", {
      ...person,
      // Any JSON may come; what is no bundle is told so in words.
      body: Type.Unknown(),
      accepts: [fhirJson],
      bodyLimit: importLimit,
      query: Type.Object({ save: Type.Optional(Type.Boolean({ default: false })) }),
      summary:
        "Reads a FHIR R4 bundle: what was understood, what was not, and the profile it would make; ?save=true saves it",
      handler: (call) => importRoute(options, call),
    }),

    route("GET", "/me/export", {
      ...person,
      summary: "Everything held about the person, in one JSON document",
      async handler({ principal, request, requestId, trace, signal, log }) {
        const id = idOf(principal.id);
        const now = clock.now();
        const stored = await loadProfile(storage, id);
        const authorization = request.header("authorization") ?? "";
        const elsewhere = await collectElsewhere({ call: options.call, authorization, signal, requestId, trace, log });
        const versions = await history(storage, id, { limit: Number.MAX_SAFE_INTEGER });
        const card = await options.cards.get(id).catch(() => null);
        const everything = {
          format: "urgence-export",
          version: 1,
          exported_at: new Date(now).toISOString(),
          person: id,
          profile: stored?.profile ?? null,
          ips: stored === undefined ? null : ipsBundle(stored.profile, { now, newId: randomUUID, person: id }),
          history: versions.data,
          card,
          ...elsewhere.parts,
          missing_parts: elsewhere.missing,
        };
        return reply(
          200,
          { data: everything },
          {
            "cache-control": "no-store",
            "content-disposition": 'attachment; filename="urgence-export.json"',
          },
        );
      },
    }),

    route("GET", "/internal/people/{person}/emergency-view", {
      ...internal,
      important: true,
      handler: async ({ params }) => ({ data: await viewOf(params.person) }),
    }),

    route("DELETE", "/internal/people/{person}", {
      ...internal,
      handler: async ({ params, requestId }) => ({ data: await erasePerson(storage, params.person, requestId) }),
    }),
  ];
}

type ImportCall = OperationContext & {
  readonly request: { header(name: string): string | undefined; body(limit: number): Promise<Uint8Array> };
  readonly body: unknown;
  readonly query: { readonly save?: boolean };
};

async function importRoute({ context, imports }: ProfileRoutesOptions, call: ImportCall): Promise<unknown> {
  const { storage, clock, operations } = context;
  const { principal, request, query } = call;
  const isFhir = request.header("content-type")?.toLowerCase().startsWith(fhirJson) === true;
  const document = isFhir ? parsed(await request.body(importLimit)) : call.body;
  const wished = wishedRevision(request.header("if-match"));
  const stored = await loadProfile(storage, idOf(principal.id));
  if (query.save === true) assertMatches(wished, stored?.revision);
  const current = stored?.profile ?? freshProfile();
  const preview = importBundle(document, { current, now: clock.now(), newId: randomUUIDv7 });
  if (preview === undefined) throw notABundle();
  if (query.save !== true) return { data: { saved: false, ...preview } };

  // What was previewed is what is saved: a profile that changed meanwhile is not overwritten.
  const precondition = stored === undefined ? { ifNoneMatch: "*" as const } : { ifMatch: stored.revision };
  const writing: OperationContext = {
    principal,
    requestId: call.requestId,
    trace: call.trace,
    signal: call.signal,
    log: call.log,
    clock: call.clock,
  };
  imports.add(writing);
  const replace = operations.get(lists.profile)?.replace;
  if (replace === undefined) throw new Error("the profile resource has no operations");
  const { revision } = await replace(writing, { params: {} }, { data: preview.profile, ...precondition });
  return reply(200, { data: { saved: true, last_modified: revision, ...preview } }, { etag: `"${revision}"` });
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "not UTF-8";
    const description = `Invalid JSON: ${reason.slice(0, 200)}`;
    throw invalid({ location: "body", name: null, description, code: "invalid-json" });
  }
}

function assertMatches(wished: WishedRevision | undefined, revision: number | undefined): void {
  if (matches(wished, revision)) return;
  throw new ServiceError("precondition-failed", revision === undefined ? {} : { headers: { etag: `"${revision}"` } });
}

/** Every route here is for persons, and a person has an id. */
function idOf(id: string | undefined): string {
  if (id === undefined) throw new ServiceError("missing-credentials");
  return id;
}
