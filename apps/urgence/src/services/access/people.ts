/** Finds the person a responder means, and what is to be shown of them, by asking the other services. */
import { randomUUIDv7 } from "node:crypto";
import { type Correlated, ServiceError } from "rouage";
import type { ServiceAnswer, ServiceCall, ServiceName } from "../../shared/client.ts";
import type { Candidate } from "./second-fact.ts";

export type Bag = Readonly<Record<string, unknown>>;

export interface Found {
  readonly person: string;
  /** The emergency view as the profiles service makes it; undefined: this person has no profile. */
  readonly view: Bag | undefined;
  readonly position: Bag | undefined;
  /** Services that did not answer and that the lookup can do without. */
  readonly unavailable: readonly ServiceName[];
}

export interface People {
  /** Everybody behind the keyed hash of a number. @throws ServiceError `unavailable` */
  byPhone(phoneHash: string): Promise<readonly Candidate[]>;
  /** @throws ServiceError `unavailable` */
  byCard(token: string): Promise<readonly Candidate[]>;
  /** @throws ServiceError `unavailable` when the profile cannot be read; a missing position is only noted */
  show(person: string): Promise<Found>;
}

export function people(call: ServiceCall, context: Correlated & { readonly signal: AbortSignal }): People {
  const { signal, requestId, trace } = context;
  const ask = async (service: ServiceName, method: string, path: string, body?: unknown): Promise<Bag | undefined> => {
    const answer = await call(service, method, path, {
      signal,
      requestId,
      trace,
      ...(body === undefined ? {} : { body }),
    });
    if (answer.status === 404) return undefined;
    const data = dataOf(answer);
    if (answer.status !== 200 || data === undefined)
      throw new ServiceError("unavailable", { cause: new Error(`${service} answered ${answer.status}`) });
    return data;
  };
  return {
    async byPhone(phoneHash) {
      const data = await ask("accounts", "POST", "/internal/people/find", { phone_hash: phoneHash });
      return data === undefined ? [] : candidatesOf(data);
    },
    async byCard(token) {
      const data = await ask("profiles", "POST", "/internal/card", { token });
      return typeof data?.person === "string" ? [{ person: data.person }] : [];
    },
    async show(person) {
      const path = `/internal/people/${encodeURIComponent(person)}`;
      const [view, position] = await Promise.allSettled([
        ask("profiles", "GET", `${path}/emergency-view`),
        ask("positions", "GET", `${path}/position`),
      ]);
      if (view.status === "rejected") throw view.reason;
      return {
        person,
        view: view.value?.has_profile === false ? undefined : view.value,
        position: position.status === "fulfilled" ? position.value : undefined,
        unavailable: position.status === "fulfilled" ? [] : ["positions"],
      };
    },
  };
}

/** A person who does not exist: asked for where nobody was found, so that the answer takes as long. */
export function nobody(): string {
  return randomUUIDv7();
}

function candidatesOf(data: Bag): readonly Candidate[] {
  const list: readonly unknown[] = Array.isArray(data.people) ? data.people : [data];
  return list.filter(isCandidate);
}

function isCandidate(value: unknown): value is Candidate {
  return typeof value === "object" && value !== null && "person" in value && typeof value.person === "string";
}

function dataOf({ body }: ServiceAnswer): Bag | undefined {
  if (typeof body !== "object" || body === null || !("data" in body)) return undefined;
  return typeof body.data === "object" && body.data !== null ? (body.data as Bag) : undefined;
}
