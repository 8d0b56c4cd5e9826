/**
 * AML messages on their way to a person. An accepted message is durable before it is acknowledged; then the number's keyed hash is
 * looked up. A number that nobody has registered is dropped at once (nothing in Urgence could ever show it); only while the accounts
 * service does not answer does a message wait, at most half an hour. Known and unknown numbers take the same path and the same time.
 */
import { randomUUIDv7 } from "node:crypto";
import type { Clock, Correlated, Logger } from "rouage";
import type { Change, Storage } from "rouage/storage";
import type { ServiceCall } from "../../shared/client.ts";
import type { Position } from "./position.ts";
import { positionChanges } from "./store.ts";

export const inboxList = "aml_inbox";
export const inboxLifetimeMs = 30 * 60_000;

export interface AmlInbox {
  /** Resolves when the message is durable and, where accounts answered, delivered or dropped. */
  accept(phoneHash: string, position: Position, correlated: Correlated): Promise<void>;
  /** Tries again what waits, and drops what waited too long. */
  retry(): Promise<void>;
}

export interface AmlInboxOptions {
  readonly storage: Storage;
  readonly call: ServiceCall;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiting {
  readonly phone_hash: string;
  readonly position: Position;
  readonly until: number;
}

export function amlInbox({ storage, call, clock, log }: AmlInboxOptions): AmlInbox {
  let defined: Promise<void> | undefined;
  const ready = () => {
    defined ??= storage.define([{ resource: inboxList, indexes: [], unique: [] }]);
    return defined;
  };
  const keyOf = (id: string) => ({ resource: inboxList, parent: "", id });

  async function deliver(id: string, { phone_hash, position }: Waiting, correlated?: Correlated): Promise<void> {
    let person: string | undefined;
    try {
      person = await find(phone_hash, correlated);
    } catch (error) {
      log.warn({ aml: id, error: String(error) }, "the owner of a number could not be asked for, the message waits");
      return;
    }
    const done: Change = { kind: "delete", key: keyOf(id), expect: { kind: "any" } };
    await storage.commit([...(person === undefined ? [] : positionChanges(person, id, position)), done]);
  }

  async function find(phone_hash: string, correlated?: Correlated): Promise<string | undefined> {
    const answer = await call("accounts", "POST", "/internal/people/find", {
      body: { phone_hash },
      ...(correlated === undefined ? {} : { requestId: correlated.requestId, trace: correlated.trace }),
    });
    if (answer.status === 404) return undefined;
    const data = isBag(answer.body) ? answer.body.data : undefined;
    if (answer.status !== 200 || !isBag(data)) throw new Error(`accounts answered ${answer.status}`);
    // A number that several people share says nothing about where one of them is.
    if (data.shared === true || (Array.isArray(data.people) && data.people.length !== 1)) return undefined;
    const single: unknown = Array.isArray(data.people) ? data.people[0] : data;
    return isBag(single) && typeof single.person === "string" ? single.person : undefined;
  }

  return {
    async accept(phone_hash, position, correlated) {
      await ready();
      const id = randomUUIDv7();
      const waiting: Waiting = { phone_hash, position, until: clock.now() + inboxLifetimeMs };
      await storage.commit([
        { kind: "put", key: keyOf(id), body: JSON.stringify(waiting), expect: { kind: "absent" }, logBody: false },
      ]);
      try {
        await deliver(id, waiting, correlated);
      } catch (error) {
        // It is durable: the next try delivers it.
        log.error({ aml: id, error: String(error) }, "an AML message could not be delivered yet");
      }
    },
    async retry() {
      await ready();
      const gone: string[] = [];
      for await (const entry of storage.scan(inboxList, { tombstones: true })) {
        if (entry.kind === "tombstone") {
          gone.push(entry.id);
          continue;
        }
        const waiting = JSON.parse(entry.body) as Waiting;
        if (waiting.until <= clock.now()) gone.push(entry.id);
        else await deliver(entry.id, waiting);
      }
      if (gone.length > 0) await storage.erase(gone.map(keyOf));
    },
  };
}

function isBag(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
