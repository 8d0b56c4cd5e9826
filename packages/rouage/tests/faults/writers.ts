/** Concurrent load on a service, by writers and readers that know what they were told: what was acknowledged, and what may or may not have happened. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Reply, ServiceProcess } from "./processes.ts";

/** Notes that are written together: one alone, or two in an atomic batch. */
export interface Written {
  readonly ids: readonly string[];
  /** The value acknowledged last; undefined: the notes are not there. */
  acknowledged: number | undefined;
  /** A write of which nobody knows what became. */
  pending: { readonly value: number | undefined } | undefined;
}

export interface Load {
  readonly written: readonly Written[];
  readonly counts: {
    /** Writes that were acknowledged, that were refused with 503, and whose connection broke. */
    acknowledged: number;
    refused: number;
    broken: number;
    read: number;
  };
  /** Resolves when everybody has stopped: because of `stop`, or because the service is gone. */
  readonly done: Promise<void>;
  stop(): void;
}

export interface LoadOptions {
  readonly writers?: number;
  readonly readers?: number;
  /** The service may be gone at any moment: who loses the connection stops. */
  readonly untilGone?: boolean;
}

export function bodyOf(id: string, n: number): { readonly n: number; readonly text: string } {
  return { n, text: `${id} ${n}`.repeat(20) };
}

export function startLoad(service: ServiceProcess, options: LoadOptions = {}): Load {
  const { writers = 16, readers = 2, untilGone = false } = options;
  const written: Written[] = [];
  const counts = { acknowledged: 0, refused: 0, broken: 0, read: 0 };
  let stopped = false;

  /** False: the writer has nothing more to do. */
  async function attempt(thing: Written, value: number | undefined): Promise<"made" | "unknown" | "gone"> {
    thing.pending = { value };
    let reply: Reply;
    try {
      reply = await write(service, thing.ids, value);
    } catch (error) {
      counts.broken++;
      assert.ok(untilGone, `the connection broke: ${error}`);
      return "gone";
    }
    if (assertRefusal(reply)) {
      counts.refused++;
      // As a client that is asked to wait, in the time of a test.
      await new Promise((resolve) => setTimeout(resolve, 10));
      return "unknown";
    }
    const answers = reply.body?.responses ?? [reply];
    const expected = value === undefined ? 200 : thing.acknowledged === undefined ? 201 : 200;
    for (const { status } of answers) assert.equal(status, expected, JSON.stringify(reply.body));
    thing.acknowledged = value;
    thing.pending = undefined;
    counts.acknowledged++;
    return "made";
  }

  async function writer(lane: number): Promise<void> {
    for (let n = 0; !stopped; n++) {
      const ids = lane % 3 === 0 ? [randomUUID(), randomUUID()] : [randomUUID()];
      const thing: Written = { ids, acknowledged: undefined, pending: undefined };
      written.push(thing);
      const values = n % 3 === 2 ? [0, 1, undefined] : [0, 1, 2];
      for (const value of values) {
        const outcome = await attempt(thing, value);
        if (outcome === "gone") return;
        if (outcome === "unknown" || stopped) break;
      }
    }
  }

  async function reader(): Promise<void> {
    for (let n = 0; !stopped; n++) {
      const some = written[Math.floor(Math.random() * written.length)]?.ids[0] ?? "none";
      const path = n % 4 === 3 ? "/notes?_sort=-last_modified&_limit=5" : `/notes/${some}`;
      try {
        const reply = await service.send("GET", path);
        if (assertRefusal(reply)) await new Promise((resolve) => setTimeout(resolve, 10));
        else {
          assert.ok([200, 404].includes(reply.status), `a read was answered with ${reply.status}`);
          counts.read++;
        }
      } catch (error) {
        if (!untilGone) throw error;
        return;
      }
    }
  }

  const everybody = [
    ...Array.from({ length: writers }, (_, lane) => writer(lane)),
    ...Array.from({ length: readers }, reader),
  ];
  const done = Promise.all(everybody).then(() => {});
  // Who waits for it hears of it; a test that has failed otherwise says why.
  done.catch(() => {});
  return {
    written,
    counts,
    done,
    stop() {
      stopped = true;
    },
  };
}

/** True for a 503 as it has to be. No other answer is of the kind that says that the service is at fault. */
export function assertRefusal({ status, headers, body }: Reply): boolean {
  if (status < 500) return false;
  assert.equal(status, 503, JSON.stringify(body));
  assert.equal(body?.errno, 201);
  assert.match(String(headers["retry-after"]), /^\d+$/);
  return true;
}

function write(service: ServiceProcess, ids: readonly string[], value: number | undefined): Promise<Reply> {
  const requests = ids.map((id) => ({
    method: value === undefined ? "DELETE" : "PUT",
    path: `/notes/${id}`,
    ...(value === undefined ? {} : { body: { data: bodyOf(id, value) } }),
  }));
  const [only] = requests;
  if (requests.length === 1 && only !== undefined) return service.send(only.method, only.path, only.body);
  return service.send("POST", "/batch", { atomic: true, requests });
}

/** Waits until something is so: a test has no other way to know that what it did has arrived. */
export async function eventually(what: string, check: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.fail(`it never came to pass: ${what}`);
}
