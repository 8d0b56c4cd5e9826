/** The positions service: people report where they are, phones in an emergency call do it for them (AML), and positions expire. */
import {
  type AuthenticationPolicy,
  type BackgroundTask,
  everyone,
  type Route,
  reply,
  resource,
  role,
  route,
  type ServiceContext,
  type ServiceDefinition,
  ServiceError,
  service,
} from "rouage";
import type { Storage } from "rouage/storage";
import type { ServiceCall } from "../../shared/client.ts";
import { type SharedWindow, sharedWindow } from "../../shared/shared-window.ts";
import { type AmlInbox, amlInbox } from "./aml-inbox.ts";
import { amlHandler } from "./aml-route.ts";
import { withFormats } from "./formats.ts";
import { completePosition, type Position, positionSchema } from "./position.ts";
import { eraseExpired, lastPosition, positionEvent, positionsList } from "./store.ts";

export interface PositionsDeps {
  readonly authentication: readonly AuthenticationPolicy[];
  readonly call: ServiceCall;
  /** Key of the hashes by which people are found; the accounts service has the same. */
  readonly phoneHashKey: Uint8Array;
  /** Country of numbers in national form. Default `FR`. */
  readonly country?: string;
  /** Shared secret of AML messages; set, unsigned ones are rejected. */
  readonly amlSecret?: string;
  /** Reports a minute from one person. Default 120. */
  readonly reportsPerMinute?: number;
  /** AML messages a minute from one address. Default 600. */
  readonly amlPerMinute?: number;
}

export function positionsService(deps: PositionsDeps): ServiceDefinition {
  let reports: SharedWindow | undefined;
  const inboxes = new WeakMap<Storage, AmlInbox>();
  const inboxOf = ({ storage, clock, log }: ServiceContext): AmlInbox => {
    const inbox = inboxes.get(storage) ?? amlInbox({ storage, clock, log, call: deps.call });
    inboxes.set(storage, inbox);
    return inbox;
  };
  return withFormats(
    service({
      name: "positions",
      version: "1.0.0",
      description: "Where people are: their own reports and Advanced Mobile Location",
      authentication: deps.authentication,
      resources: [positionsResource(() => reports)],
      routes(context) {
        const { cache, clock, log } = context;
        const limit = deps.reportsPerMinute ?? 120;
        reports = sharedWindow({ cache, clock, log, name: "reports of persons", limit, windowMs: 60_000 });
        return [...amlRoutes(deps, context, inboxOf(context)), ...positionRoutes(context)];
      },
      tasks: [retention(inboxOf)],
    }),
  );
}

/** A report is a fact: it can be deleted, not changed. @param reports counts them, once the service has started */
function positionsResource(reports: () => SharedWindow | undefined) {
  return resource(positionsList, {
    path: "/me/positions",
    perUser: true,
    schema: positionSchema,
    access: { create: [role("person")], read: [role("person")], write: [role("person")] },
    disabled: ["replace", "patch"],
    indexes: ["expires_at"],
    pageSize: 500,
    logBodies: false,
    description: "Positions reported by the person, or by their phone in an emergency call",
    hooks: {
      async before(write, { clock, principal: { id: person = "" } }) {
        if (write.next === undefined || write.action !== "create") return undefined;
        const slot = await reports()?.take(person);
        if (slot?.ok === false)
          throw new ServiceError("too-many-requests", { headers: { "retry-after": String(slot.retryAfterSeconds) } });
        const position = completePosition(write.next, { now: clock.now(), origin: "person", authenticated: true });
        write.also(positionEvent(person, write.id, position));
        return stored(position);
      },
    },
  });
}

/** The stored form as the schema's type, which knows no read-only arrays. */
function stored(position: Position) {
  return { ...position, coordinates: [...position.coordinates] };
}

function positionRoutes(context: ServiceContext): readonly Route[] {
  const { storage, clock } = context;
  const internal = { access: [role("service")], unversioned: true, documented: false } as const;
  const latestOf = async (person: string) => {
    const position = await lastPosition(storage, clock, person);
    if (position === undefined)
      throw new ServiceError("object-not-found", { details: { id: "latest", resource_name: positionsList } });
    return { data: position };
  };
  return [
    route("GET", "/me/positions/latest", {
      access: [role("person")],
      summary: "The last position that has not expired, with its age",
      tag: "positions",
      handler: ({ principal }) => latestOf(principal.id ?? ""),
    }),
    route("GET", "/internal/people/{person}/position", {
      ...internal,
      important: true,
      handler: ({ params }) => latestOf(params.person),
    }),
    route("DELETE", "/internal/people/{person}", {
      ...internal,
      async handler({ params }) {
        const { objects, tombstones, logEntries } = await storage.erase([
          { resource: positionsList, parent: params.person },
        ]);
        return { data: { positions: objects, tombstones, log_entries: logEntries } };
      },
    }),
  ];
}

function amlRoutes(deps: PositionsDeps, context: ServiceContext, inbox: AmlInbox): readonly Route[] {
  const handle = amlHandler({ ...deps, cache: context.cache, clock: context.clock, log: context.log, inbox });
  const shared = {
    access: [everyone],
    important: true,
    tag: "positions",
    summary: "Advanced Mobile Location (ETSI TS 103 625): HTTPS form, or SMS text; 200 accepted, 202 rejected",
    handler: async (call: Parameters<typeof handle>[0]) => {
      const { status, body } = await handle(call);
      return reply(status, body);
    },
  };
  return [route("POST", "/aml", { ...shared, unversioned: true }), route("POST", "/aml", shared)];
}

function retention(inboxOf: (context: ServiceContext) => AmlInbox): BackgroundTask {
  return {
    name: "position-retention",
    once: true,
    start(context) {
      const { storage, clock, log } = context;
      const inbox = inboxOf(context);
      let running: Promise<unknown> | undefined;
      const sweep = () => {
        running ??= Promise.all([eraseExpired(storage, clock), inbox.retry()])
          .catch((error) => log.error({ error: String(error) }, "expired positions could not be erased, tried again"))
          .finally(() => {
            running = undefined;
          });
      };
      sweep();
      const timer = setInterval(sweep, 30_000);
      timer.unref();
      return async () => {
        clearInterval(timer);
        await running;
      };
    },
  };
}
