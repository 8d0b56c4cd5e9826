/**
 * `POST /v1/lookup`: a responder finds a person. Budget, person, second fact, view; then the audit entry is made durable; only then
 * the answer leaves. What finds nobody is recorded too, and looks the same whatever the cause.
 */
import { randomUUIDv7 } from "node:crypto";
import { type Clock, invalid, type Logger, type Principal, ServiceError, type TraceContext } from "rouage";
import type { ServiceCall } from "../../shared/client.ts";
import type { AuditDraft, AuditOutcome } from "./audit/entry.ts";
import type { Recorder } from "./audit/recorder.ts";
import type { Budget } from "./budget.ts";
import { type LookupBody, type LookupRequest, readLookup } from "./lookup-request.ts";
import { type Bag, type Found, nobody, type People, people } from "./people.ts";
import { birthYearOf, type Candidate, checkBirthYear, needsSecondFact } from "./second-fact.ts";

export interface LookupParts {
  readonly call: ServiceCall;
  readonly budget: Budget;
  readonly recorder: Recorder;
  readonly phoneHashKey: Uint8Array;
  readonly country: string;
  /** Told when a budget is used up. */
  readonly anomaly: (what: { readonly actor: string; readonly site?: string; readonly scope: string }) => void;
}

export interface LookupContext {
  readonly principal: Principal;
  readonly requestId: string;
  readonly trace?: TraceContext | undefined;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface LookupAnswer {
  readonly audit: string;
  readonly level: 2;
  /** The emergency view; null: this person has an account but no profile. */
  readonly view: Bag | null;
  /** The last position with its age; null when there is none. */
  readonly position: Bag | null;
  /** Services that did not answer in time: what they know is missing, not absent. */
  readonly unavailable?: readonly string[];
}

export async function lookup(parts: LookupParts, context: LookupContext, body: LookupBody): Promise<LookupAnswer> {
  const { principal, clock } = context;
  const actor = principal.id ?? "";
  const { site } = placeOf(principal);
  const request = readLookup(body, parts.phoneHashKey, parts.country);

  const refused = await parts.budget.take(actor, site);
  if (refused !== undefined) {
    parts.anomaly({ actor, scope: refused.scope, ...(site === undefined ? {} : { site }) });
    throw new ServiceError("too-many-requests", {
      message: `The ${refused.scope}'s budget of lookups is used up.`,
      headers: { "retry-after": String(refused.retryAfterSeconds) },
    });
  }

  const audit = randomUUIDv7();
  const record = (outcome: AuditOutcome, more: Pick<AuditDraft, "person" | "sections"> = {}) =>
    parts.recorder.record({ ...draftOf(principal, request, context), audit, outcome, ...more });
  const asked = people(parts.call, context);

  let outcome: Result;
  try {
    outcome = await resolve(asked, request, clock.now());
  } catch (cause) {
    await record("unavailable");
    if (ServiceError.is(cause) && (cause.code === "unavailable" || cause.code === "deadline-exceeded")) throw cause;
    throw new ServiceError("unavailable", { cause });
  }

  switch (outcome.kind) {
    case "second-fact-required":
      await record("second-fact-required", outcome.person === undefined ? {} : { person: outcome.person });
      throw invalid({
        location: "body",
        name: "birth_year",
        description: "This number is shared or old: the year of birth is required",
        code: "second-fact-required",
      });
    case "nobody":
      await record(outcome.outcome, outcome.person === undefined ? {} : { person: outcome.person });
      throw new ServiceError("object-not-found", {
        message: "Nobody was found.",
        details: { resource_name: "person", audit },
      });
    case "found": {
      const { person, view, position, unavailable } = outcome.found;
      await record("shown", { person, sections: shownSections(view, position) });
      return {
        audit,
        level: 2,
        view: view ?? null,
        position: position ?? null,
        ...(unavailable.length === 0 ? {} : { unavailable }),
      };
    }
  }
}

type Result =
  | { readonly kind: "found"; readonly found: Found }
  | { readonly kind: "second-fact-required"; readonly person?: string }
  | { readonly kind: "nobody"; readonly outcome: "not-found" | "second-fact-wrong"; readonly person?: string };

async function resolve(asked: People, { by, birthYear }: LookupRequest, now: number): Promise<Result> {
  const candidates = by.kind === "phone" ? await asked.byPhone(by.hash) : await asked.byCard(by.token);
  // A card names one person by itself; a number may be shared, or have changed hands.
  const needed = by.kind === "phone" && needsSecondFact(candidates, now);
  const named = (person: string | undefined) => (person === undefined ? {} : { person });
  const single = candidates.length === 1 ? candidates[0]?.person : undefined;
  if (needed && birthYear === undefined) return { kind: "second-fact-required", ...named(single) };

  const shown = await Promise.all(asPeople(candidates).map((person) => asked.show(person)));
  if (candidates.length === 0) return { kind: "nobody", outcome: "not-found" };
  const right = shown.filter(({ view = {} }) => checkBirthYear(birthYear, birthYearOf(view), needed));
  const [found] = right;
  if (found === undefined || right.length > 1)
    return { kind: "nobody", outcome: "second-fact-wrong", ...named(single) };
  // An account without profile and position has nothing that helps.
  if (found.view === undefined && found.position === undefined)
    return { kind: "nobody", outcome: "not-found", person: found.person };
  return { kind: "found", found };
}

/** At most this many people share a number. */
const sharedLimit = 10;

function asPeople(candidates: readonly Candidate[]): readonly string[] {
  return candidates.length === 0 ? [nobody()] : candidates.slice(0, sharedLimit).map(({ person }) => person);
}

function draftOf(principal: Principal, { reason, note, incident }: LookupRequest, { clock, requestId }: LookupContext) {
  return {
    ...placeOf(principal),
    at: new Date(clock.now()).toISOString(),
    level: 2 as const,
    actor: principal.id ?? "",
    role: "responder",
    reason,
    incident,
    request: requestId,
    ...(note === undefined ? {} : { note }),
  };
}

/**
 * Names of the parts that left the house. All sections of a view are named, filled or not, because which ones are filled is itself a
 * medical fact; masked ones were not shown.
 */
function shownSections(view: Bag | undefined, position: Bag | undefined): readonly string[] {
  const sections = view === undefined ? [] : ["identity", "red_band", ...openSections(view.sections)];
  return position === undefined ? sections : [...sections, "position"];
}

function openSections(sections: unknown): readonly string[] {
  if (typeof sections !== "object" || sections === null) return [];
  return Object.entries(sections as Bag)
    .filter(([, section]) => !isMasked(section))
    .map(([name]) => name)
    .sort();
}

function isMasked(section: unknown): boolean {
  if (typeof section !== "object" || section === null) return false;
  return ("masked" in section && section.masked === true) || ("restricted" in section && section.restricted === true);
}

/** Where the responder works, as the token says: the site's id, and its name for the person who asks who looked. */
function placeOf({ claims: { site } }: Principal): { readonly site?: string; readonly service?: string } {
  const [id, name] =
    typeof site === "object" && site !== null ? [text(site, "id"), text(site, "name")] : [site, undefined];
  return {
    ...(typeof id === "string" && id !== "" ? { site: id.slice(0, 128) } : {}),
    ...(typeof name === "string" && name !== "" ? { service: name.slice(0, 128) } : {}),
  };
}

function text(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined;
}
