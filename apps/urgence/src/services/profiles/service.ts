/** The profiles service: the person's medical profile, its history, import and export, and the card that shows parts of it. */

import { randomUUIDv7 } from "node:crypto";
import {
  type AuthenticationPolicy,
  invalid,
  type OperationContext,
  resource,
  role,
  type ServiceDefinition,
  service,
} from "rouage";
import type { ServiceCall } from "../../shared/client.ts";
import { cardRoutes } from "./card-routes.ts";
import { cardTokens } from "./card-token.ts";
import { cards } from "./cards.ts";
import { changesBetween } from "./changes.ts";
import { profileViolations } from "./check.ts";
import { completeProfile } from "./complete.ts";
import { readProfile } from "./migrate.ts";
import { profileRoutes } from "./profile-routes.ts";
import { freshProfile, type ProfileInput, profileSchema } from "./schema.ts";
import { defineLists, lists, updatedEvent } from "./store.ts";

export interface ProfilesDeps {
  readonly authentication: readonly AuthenticationPolicy[];
  /** Calls to accounts, positions and access. */
  readonly call: ServiceCall;
  /** Secret of at least 32 bytes for the tokens of cards; without it, or with another one, no printed card opens any more. */
  readonly cardKey: Uint8Array;
  /** Origin in card addresses. Default: the `public_origin` setting, else the origin of each request. */
  readonly publicOrigin?: string;
  /** Card views a minute from one address. Default 30. */
  readonly cardViewsPerMinute?: number;
}

export function profilesService(deps: ProfilesDeps): ServiceDefinition {
  const tokens = cardTokens(deps.cardKey);
  // Writes of an import carry confirmations of their own, which the hook must not make newer.
  const imports = new WeakSet<OperationContext>();
  return service({
    name: "profiles",
    version: "1.0.0",
    description: "Medical profiles: what a rescuer needs to know, in the person's own words",
    authentication: deps.authentication,
    resources: [profileResource(imports)],
    routes: (context) => {
      const store = cards({ storage: context.storage, clock: context.clock, tokens });
      return [
        ...profileRoutes({ context, call: deps.call, imports, cards: store }),
        ...cardRoutes({ context, deps, cards: store }),
      ];
    },
    tasks: [
      {
        name: "card-lists",
        async start({ storage }) {
          await defineLists(storage);
          return async () => {};
        },
      },
    ],
  });
}

function profileResource(imports: WeakSet<OperationContext>) {
  const person = [role("person")];
  return resource(lists.profile, {
    path: "/me/profile",
    perUser: true,
    singleton: true,
    schema: profileSchema,
    access: { create: person, read: person, write: person },
    // A route erases instead: a tombstone and the history would keep what the person wants gone.
    disabled: ["delete"],
    description: "The person's own medical profile",
    hooks: {
      before(write, context) {
        const { next, previous } = write;
        if (next === undefined) return undefined;
        const now = context.clock.now();
        const violations = profileViolations(next, now);
        if (violations.length > 0) throw invalid(...violations);
        const stored = previous === undefined ? undefined : readProfile({ ...previous });
        const completed = imports.has(context)
          ? readProfile({ ...next })
          : completeProfile(next, { previous: stored, now, newId: randomUUIDv7 });
        const sections = changesBetween(stored ?? freshProfile(), completed).map(({ section }) => section);
        if (sections.length > 0) write.also(updatedEvent(write.parent, sections));
        return completed as unknown as ProfileInput;
      },
    },
  });
}
