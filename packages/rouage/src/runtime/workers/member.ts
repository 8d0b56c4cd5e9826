/**
 * What a worker knows of those it works with: its number, and the supervisor that started it. A process has one parent, as it has one standard
 * output, so this is one for all services in it.
 */
import type { Socket } from "node:net";
import type { CacheCall } from "../../cache/remote.ts";
import type { LogLevel } from "../../telemetry/log.ts";
import type { Address } from "../address.ts";
import { exitCodes } from "../signals.ts";
import { type Conversation, conversation } from "./conversation.ts";
import type { Bound } from "./ports.ts";

/** A worker as its own services see it. */
export interface Member {
  /** From 1. */
  readonly number: number;
  /** What all workers measured, each with its number; undefined where the supervisor does not answer. */
  allMetrics(): Promise<string | undefined>;
  /** Asks the cache that the supervisor keeps for a service of all workers. */
  askCache(cache: CacheName, call: CacheCall): Promise<unknown>;
  /** Wants a share of the connections to an address; each is `received` in the turn in which it arrives. */
  listen(address: Address, received: (socket: Socket) => void): Promise<Listening>;
  /** Says that the worker answers requests from now on. */
  serving(served: Served): void;
  /** Called once, when the supervisor wants the worker to end in order or is gone itself. */
  onStop(stop: (reason: string) => void): void;
}

export interface Listening {
  readonly bound: Bound;
  /** No more of them; when it resolves, the last one was received. */
  leave(): Promise<void>;
}

/** What the supervisor has to know of the service that its workers serve. */
export interface Served {
  readonly name: string;
  readonly logLevel: LogLevel | "silent";
  /** Longest that the worker may take to end in order. */
  readonly stopMs: number;
  /** Whether SIGUSR2 is for the worker. */
  readonly profiles: boolean;
  /** What it measured so far. */
  metrics(): string;
}

/** Which cache is meant: of which service, and of which size. */
export interface CacheName {
  readonly service: string;
  readonly url: string;
}

export type WorkerQuestion =
  | { readonly kind: "metrics" }
  | { readonly kind: "cache"; readonly cache: CacheName; readonly call: CacheCall }
  | { readonly kind: "join"; readonly key: string; readonly address: Address }
  | { readonly kind: "leave"; readonly key: string };

export type WorkerNews =
  | ({ readonly kind: "serving" } & Omit<Served, "metrics">)
  | { readonly kind: "taken"; readonly key: string };
export type SupervisorNews = { readonly kind: "stop" };
export type SupervisorQuestion = { readonly kind: "metrics" };

/** Comes with a connection of the port with this key. */
export interface Handed {
  readonly handed: string;
}

/** Number of the worker, in its environment; 0 is the supervisor in what they log. */
export const numberVariable = "ROUAGE_WORKER";

let member: Member | undefined;

/** Undefined in a process that nobody looks after. */
export function thisWorker(): Member | undefined {
  // Programs that a worker starts inherit its environment, and are no workers for it.
  const number = Number(process.env[numberVariable]);
  if (!Number.isInteger(number) || number < 1) return undefined;
  // Not loaded where one process works alone.
  if (!process.getBuiltinModule("node:cluster").isWorker) return undefined;
  member ??= createMember(number);
  return member;
}

function createMember(number: number): Member {
  let metrics = (): string => "";
  let isServing = false;
  let stop: ((reason: string) => void) | undefined;
  let reason: string | undefined;

  function wanted(why: string): void {
    reason ??= why;
    const call = stop;
    stop = undefined;
    call?.(reason);
  }

  const supervisor: Conversation = conversation({
    send: (message) => void process.send?.(message, undefined, undefined, () => {}),
    answer: (question) => ((question as SupervisorQuestion).kind === "metrics" ? metrics() : undefined),
    told: (news) => {
      if ((news as SupervisorNews).kind === "stop") wanted("the supervisor said so");
    },
  });
  const ports = new Map<string, (socket: Socket) => void>();
  process.on("message", (message, handle) => {
    const key = (message as Partial<Handed> | null)?.handed;
    if (key === undefined) return supervisor.receive(message);
    supervisor.tell({ kind: "taken", key } satisfies WorkerNews);
    const socket = handle as Socket | undefined;
    const received = ports.get(key);
    if (received === undefined) socket?.destroy();
    // It may have ended on its way.
    else if (socket !== undefined) received(socket);
  });
  // A worker that cannot start ends as any program does, supervisor or not.
  process.channel?.unref();
  async function ask(question: WorkerQuestion): Promise<unknown> {
    const alive = setInterval(() => {}, 60_000);
    try {
      return await supervisor.ask(question);
    } finally {
      clearInterval(alive);
    }
  }
  // Else `cluster` ends the process at once when its parent is gone, whatever it is doing.
  const cluster = process.getBuiltinModule("node:cluster");
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  const orphaned = () => {
    supervisor.end();
    // Nothing was served yet, and who would give it a port is not there any more.
    if (!isServing) process.exit(exitCodes.failed);
    wanted("the supervisor is gone");
  };
  if (process.connected) process.once("disconnect", orphaned);
  else orphaned();

  return {
    number,
    allMetrics: () =>
      ask({ kind: "metrics" }).then(
        (text) => (typeof text === "string" ? text : undefined),
        () => undefined,
      ),
    askCache: (cache, call) => ask({ kind: "cache", cache, call }),
    async listen(address, received) {
      // All workers listen to the same addresses in the same order.
      let key = `${address.host} ${address.port}`;
      while (ports.has(key)) key += "+";
      ports.set(key, received);
      const bound = (await ask({ kind: "join", key, address })) as Bound;
      return {
        bound,
        async leave() {
          // A supervisor that is gone hands over nothing.
          await ask({ kind: "leave", key }).catch(() => {});
          ports.delete(key);
        },
      };
    },
    serving({ metrics: own, ...served }) {
      metrics = own;
      isServing = true;
      supervisor.tell({ kind: "serving", ...served } satisfies WorkerNews);
    },
    onStop(call) {
      if (reason === undefined) stop = call;
      else call(reason);
    },
  };
}
