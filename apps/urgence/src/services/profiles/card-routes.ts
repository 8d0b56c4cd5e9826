/** Routes of the card: the person's own, the public door behind its QR code, and the lookup by other services. */
import { type Correlated, everyone, type Route, reply, role, route, type ServiceContext, ServiceError } from "rouage";
import { Type } from "typebox";
import { renderSVG } from "uqr";
import { clientAddress, type ServiceCall } from "../../shared/client.ts";
import { sharedWindow } from "../../shared/shared-window.ts";
import { cardParts, cardView } from "./card-view.ts";
import type { Card, Cards } from "./cards.ts";
import { freshProfile } from "./schema.ts";
import { loadProfile, notFound } from "./store.ts";

export interface CardRoutesOptions {
  readonly context: ServiceContext;
  readonly cards: Cards;
  readonly deps: {
    readonly call: ServiceCall;
    readonly publicOrigin?: string;
    readonly cardViewsPerMinute?: number;
  };
}

const cardBody = Type.Object(
  {
    data: Type.Object(
      {
        parts: Type.Optional(
          Type.Array(Type.Unsafe<(typeof cardParts)[number]>({ type: "string", enum: [...cardParts] }), {
            maxItems: cardParts.length,
            description: "What the card shows. Absent: as before; nothing on a new card.",
          }),
        ),
        rotate: Type.Optional(Type.Boolean({ description: "Make a new token; the old one opens nothing any more." })),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

const unindexed = {
  "cache-control": "no-store",
  "x-robots-tag": "noindex, nofollow",
  "referrer-policy": "no-referrer",
};

export function cardRoutes({ context, cards, deps }: CardRoutesOptions): readonly Route[] {
  const { storage, cache, clock, log } = context;
  const person = { access: [role("person")], tag: "card" } as const;
  const limit = sharedWindow({
    ...{ cache, clock, log, name: "views of cards" },
    limit: deps.cardViewsPerMinute ?? 30,
    windowMs: 60_000,
  });
  const originOf = (request: { readonly origin: string }) =>
    deps.publicOrigin ?? context.settings.public_origin ?? request.origin;
  const shown = (card: Card, request: { readonly origin: string }) => {
    const path = `/e/${card.token}`;
    return { ...card, path, url: `${originOf(request)}${path}` };
  };

  return [
    route("GET", "/me/card", {
      ...person,
      summary: "The person's card: its token, address and public parts",
      handler: async ({ principal, request }) => ({ data: shown(await cards.get(principal.id ?? ""), request) }),
    }),
    route("PUT", "/me/card", {
      ...person,
      body: cardBody,
      summary: "Makes the card, chooses its public parts, or rotates its token",
      handler: async ({ principal, request, body }) => ({
        data: shown(await cards.put(principal.id ?? "", body.data), request),
      }),
    }),
    route("DELETE", "/me/card", {
      ...person,
      summary: "Revokes the card: its QR code opens nothing any more",
      async handler({ principal }) {
        await cards.revoke(principal.id ?? "");
        return { data: { id: "card", deleted: true } };
      },
    }),
    route("GET", "/me/card.svg", {
      ...person,
      summary: "QR code of the card's address",
      async handler({ principal, request }) {
        const { url } = shown(await cards.get(principal.id ?? ""), request);
        return reply(200, renderSVG(url, { ecc: "M", border: 3 }), {
          "content-type": "image/svg+xml",
          "cache-control": "no-store",
        });
      },
    }),
    route("GET", "/cards/{token}", {
      access: [everyone],
      secretPath: true,
      important: true,
      tag: "card",
      summary: "What the person made public, for whoever holds the card",
      async handler({ params, request, principal, requestId, trace, signal }) {
        const slot = await limit.take(networkOf(clientAddress(request, principal.roles)));
        if (!slot.ok) {
          const headers = { ...unindexed, "retry-after": String(slot.retryAfterSeconds) };
          throw new ServiceError("too-many-requests", { headers });
        }
        const found = await cards.find(params.token);
        if (found === undefined) throw new ServiceError("object-not-found", { headers: unindexed });
        const stored = await loadProfile(storage, found.person);
        const updated = stored === undefined ? {} : { updated: stored.revision };
        const view = cardView(stored?.profile ?? freshProfile(), found.parts, { now: clock.now(), ...updated });
        await record(found.person, found.parts, { requestId, trace, signal });
        return reply(200, { data: view }, unindexed);
      },
    }),
    route("POST", "/internal/card", {
      access: [role("service")],
      unversioned: true,
      documented: false,
      important: true,
      safe: true,
      body: Type.Object({ token: Type.String({ maxLength: 64 }) }, { additionalProperties: false }),
      async handler({ body }) {
        const found = await cards.find(body.token);
        if (found === undefined) throw notFound("card");
        return { data: { person: found.person, public: found.parts } };
      },
    }),
  ];

  /** Nothing is shown that is not on record first. @throws ServiceError `unavailable` */
  async function record(
    who: string,
    sections: readonly string[],
    { requestId, trace, signal }: Correlated & { readonly signal: AbortSignal },
  ): Promise<void> {
    const body = { level: 0, person: who, service: "profiles", sections, outcome: "shown" };
    let cause: unknown;
    try {
      const { status } = await deps.call("access", "POST", "/internal/audit", { body, requestId, trace, signal });
      if (status >= 200 && status < 300) return;
      cause = new Error(`the audit answered ${status}`);
    } catch (error) {
      cause = error;
    }
    throw new ServiceError("unavailable", { headers: { ...unindexed, "retry-after": "5" }, cause });
  }
}

/** An IPv6 user has a whole /64 to call from. */
function networkOf(address: string | undefined): string {
  if (address === undefined) return "unknown";
  return address.includes(":") && !address.includes(".") ? address.split(":").slice(0, 4).join(":") : address;
}
