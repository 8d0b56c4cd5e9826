/**
 * Looks after the workers of a service on one machine: processes that run the same program and share its port. The first one starts alone, so that what
 * is done at the first start (a store brought up to date, keys made) is done once, and so that what keeps the service from starting is said once; the others follow when
 * it answers. One that dies is started again.
 */
import type { Worker } from "node:cluster";
import type { Cache } from "../../cache/cache.ts";
import { systemClock } from "../../clock.ts";
import { jsonLogger } from "../../telemetry/json-log.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { createMetrics } from "../../telemetry/registry.ts";
import { exitCodes, untilSignal } from "../signals.ts";
import { type Conversation, conversation } from "./conversation.ts";
import {
  type CacheName,
  type Handed,
  numberVariable,
  type Served,
  type WorkerNews,
  type WorkerQuestion,
} from "./member.ts";
import { metricsOfAll } from "./metrics-of-all.ts";
import { createPorts, type Recipient } from "./ports.ts";
import { type Restarts, restarts } from "./restarts.ts";

/** Where one worker is, and what became of those that were there before. */
interface Place {
  readonly number: number;
  readonly restarts: Restarts;
  startedAgain: number;
  running?: Running;
  timer?: NodeJS.Timeout;
}

interface Running {
  readonly worker: Worker;
  readonly talk: Conversation;
  /** `performance.now()` of the moment when it began to answer. */
  servingSince?: number;
}

/** Starts the workers and ends with this process: in order when it is told to, or when they cannot be kept running. */
export function superviseWorkers(workers: number): void {
  // Not loaded where one process works alone.
  const cluster = process.getBuiltinModule("node:cluster");
  const places: readonly Place[] = Array.from({ length: workers }, (_, index) => ({
    number: index + 1,
    restarts: restarts(),
    startedAgain: 0,
  }));
  const ports = createPorts();
  const caches = new Map<string, Promise<Cache>>();
  const serving = (): readonly Place[] => places.filter(({ running }) => running?.servingSince !== undefined);
  /** Known from the first worker that serves. */
  let service: Omit<Served, "metrics"> = { name: "rouage", logLevel: "info", stopMs: 0, profiles: false };
  let log: Logger = logOf(service);
  let metrics = metricsOf(places, serving, service.name);
  /** Undefined: not ending. */
  let ending: { code: number } | undefined;
  let isWhole = false;
  let wake = (): void => {};

  function start(place: Place): void {
    const worker = cluster.fork({ [numberVariable]: String(place.number) });
    const recipient: Recipient = {
      give(key, socket) {
        if (!worker.isConnected()) return false;
        const handed: Handed = { handed: key };
        worker.process.send(handed, socket, { keepOpen: true }, () => {});
        return true;
      },
    };
    const talk = conversation({
      // A worker that has just gone hears nothing; its exit says so.
      send: (message) => void worker.send(message as never, () => {}),
      answer: (question) => answer(question as WorkerQuestion, recipient),
      told(message) {
        const news = message as WorkerNews;
        if (news.kind === "taken") return ports.taken(recipient, news.key);
        const { kind: _, ...about } = news;
        served(place, about);
      },
    });
    place.running = { worker, talk };
    worker.on("message", talk.receive);
    worker.on("error", (error: NodeJS.ErrnoException) => {
      // Something was on its way to one that has just gone; its exit says so.
      if (error.code !== "EPIPE" && error.code !== "ERR_IPC_CHANNEL_CLOSED")
        log.error({ err: error, of: place.number }, "worker failed");
    });
    worker.once("exit", (code, signal) => {
      talk.end();
      ports.gone(recipient);
      exited(place, code, signal);
    });
  }

  function served(place: Place, about: typeof service): void {
    if (place.running === undefined) return;
    if (service.stopMs === 0) {
      service = about;
      log = logOf(service);
      metrics = metricsOf(places, serving, service.name);
    }
    place.running.servingSince = performance.now();
    if (ending !== undefined) place.running.talk.tell({ kind: "stop" });
    else if (serving().length === workers && !isWhole) {
      isWhole = true;
      log.info({ workers, pid: process.pid }, "all workers serve");
    } else if (!isWhole && place.number === 1) for (const other of places.slice(1)) if (idle(other)) start(other);
  }

  function exited(place: Place, code: number | null, signal: string | null): void {
    const { worker, servingSince } = place.running ?? {};
    delete place.running;
    const outcome = { of: place.number, pid: worker?.process.pid, exit: code, signal };
    if (ending !== undefined) {
      if (code !== exitCodes.stopped && servingSince !== undefined) {
        log.error(outcome, "worker did not end in order");
        ending.code ||= exitCodes.failed;
      }
      wake();
      return;
    }
    if (!isWhole && place.number === 1 && servingSince === undefined && places.slice(1).every(idle)) {
      // It has said itself what is wrong.
      process.exit(code === null || code === 0 ? exitCodes.failed : code);
    }
    const livedMs = servingSince === undefined ? 0 : performance.now() - servingSince;
    const next = place.restarts.died(livedMs);
    const shown = { ...outcome, lived_seconds: Math.round(livedMs / 1000) };
    if (next.kind === "give-up") {
      log.fatal(shown, "worker dies again and again, the service is ended");
      void end(exitCodes.failed);
      return;
    }
    if (code === exitCodes.stopped) log.warn(shown, "worker was ended, another takes its place");
    else log.error({ ...shown, again_in_ms: next.afterMs }, "worker died, it is started again");
    place.timer = setTimeout(() => {
      delete place.timer;
      place.startedAgain++;
      start(place);
    }, next.afterMs);
  }

  async function answer(question: WorkerQuestion, recipient: Recipient): Promise<unknown> {
    if (question.kind === "join") return ports.join(recipient, question.key, question.address);
    if (question.kind === "leave") return ports.leave(recipient, question.key);
    if (question.kind === "cache") {
      const { answerCacheCall } = await import("../../cache/remote.ts");
      return answerCacheCall(await cacheOf(question.cache), question.call);
    }
    const asked = serving().flatMap(({ number, running }) =>
      running === undefined ? [] : [{ number, expose: () => running.talk.ask({ kind: "metrics" }) }],
    );
    return metricsOfAll(asked, metrics.expose());
  }

  function cacheOf({ service, url }: CacheName): Promise<Cache> {
    const key = `${service} ${url}`;
    const cache =
      caches.get(key) ??
      import("../../cache/open.ts").then(({ openCache }) => openCache(url, { clock: systemClock, log, name: service }));
    caches.set(key, cache);
    return cache;
  }

  /** Everybody ends in order, within `stopMs`; answers the exit code. */
  async function end(code: number): Promise<never> {
    ending ??= { code };
    ports.end();
    for (const place of places) {
      clearTimeout(place.timer);
      const { running } = place;
      if (running?.servingSince !== undefined) running.talk.tell({ kind: "stop" });
      // One that still starts knows of no supervisor yet.
      else running?.worker.process.kill("SIGTERM");
    }
    const late = setTimeout(() => kill("worker takes too long to end and is killed"), service.stopMs);
    while (!places.every(idle)) await new Promise<void>((resolve) => (wake = resolve));
    clearTimeout(late);
    if (ending.code === exitCodes.stopped) log.info({}, "stopped");
    await log.flush?.();
    process.exit(ending.code);
  }

  function kill(why: string): void {
    for (const { number, running } of places) {
      if (running === undefined) continue;
      log.error({ of: number, pid: running.worker.process.pid }, why);
      running.worker.process.kill("SIGKILL");
    }
  }

  untilSignal({
    log: () => log,
    end: (code) => void end(code),
    force() {
      for (const { running } of places) running?.worker.process.kill("SIGKILL");
    },
  });
  process.on("SIGUSR2", () => {
    if (service.profiles) for (const { running } of serving()) running?.worker.process.kill("SIGUSR2");
    else log.warn({}, "SIGUSR2 has no effect: profiler_enabled is off");
  });
  // Of ports that a program opens itself, one worker after the other gets a connection, as of ours.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const [first] = places;
  if (first !== undefined) start(first);
}

/** Neither runs nor is about to. */
function idle({ running, timer }: Place): boolean {
  return running === undefined && timer === undefined;
}

function logOf({ name, logLevel }: Pick<Served, "name" | "logLevel">): Logger {
  return jsonLogger({ name, level: logLevel, worker: 0 });
}

/** The supervisor's own, beside those of the workers. */
function metricsOf(places: readonly Place[], serving: () => readonly unknown[], service: string): Metrics {
  const metrics = createMetrics({ service });
  metrics.gauge("service_workers_serving", "Workers that answer requests", () => serving().length);
  for (const place of places)
    metrics.gauge("service_worker_restarts", "Times that this worker was started again", () => place.startedAgain, {
      worker: String(place.number),
    });
  return metrics;
}
