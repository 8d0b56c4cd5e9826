/**
 * Profiles of the running process in the formats that Chrome DevTools opens: where the time goes (`.cpuprofile`), what allocates
 * (`.heapprofile`), what is in memory (`.heapsnapshot`). Bounded in time, one at a time. Knows no HTTP.
 */
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Clock, systemClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";

/** `cpu` and `heap` sample for a while at little cost; `snapshot` stops the process for as long as it takes, and holds all that is in memory. */
export type ProfileKind = "cpu" | "heap" | "snapshot";

export interface ProfileOptions {
  /** How long to sample, from 1 to `longestProfileSeconds`. */
  readonly seconds: number;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

export interface Profile {
  /** `cpu-2026-01-01T00-00-00-000Z-4711.cpuprofile` */
  readonly fileName: string;
  /** To be read to its end or destroyed; no other profile is taken before. */
  readonly content: Readable;
}

export interface Profiler {
  /** @throws ServiceError `too-many-requests` while another is taken */
  take(kind: ProfileKind, options: ProfileOptions): Promise<Profile>;
  /** The same into a file that only its owner may read; answers its path. */
  save(kind: ProfileKind, folder: string, options: ProfileOptions): Promise<string>;
}

export const longestProfileSeconds = 60;

export const profileKinds: readonly ProfileKind[] = ["cpu", "heap", "snapshot"];

export function createProfiler({ clock = systemClock }: { readonly clock?: Clock } = {}): Profiler {
  let busy = false;

  async function take(kind: ProfileKind, options: ProfileOptions): Promise<Profile> {
    if (busy) {
      const message = "Another profile is being taken.";
      throw new ServiceError("too-many-requests", { message, headers: { "retry-after": "10" } });
    }
    busy = true;
    try {
      const content =
        kind === "snapshot" ? await snapshot() : Readable.from([Buffer.from(await sampled(kind, options))]);
      content.once("close", () => {
        busy = false;
      });
      const time = new Date(clock.now()).toISOString().replaceAll(/[:.]/g, "-");
      return { fileName: `${kind}-${time}-${process.pid}.${extensions[kind]}`, content };
    } catch (error) {
      busy = false;
      throw error;
    }
  }

  return {
    take,
    async save(kind, folder, options) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const { fileName, content } = await take(kind, options);
      const path = join(folder, fileName);
      try {
        await pipeline(content, createWriteStream(path, { mode: 0o600, flags: "wx" }));
      } catch (error) {
        if ((error as { readonly code?: unknown }).code !== "EEXIST") await rm(path, { force: true });
        throw error;
      }
      return path;
    },
  };
}

const extensions = { cpu: "cpuprofile", heap: "heapprofile", snapshot: "heapsnapshot" } as const;

/** Loaded when first used: no service pays for a profiler that nobody asks for. */
async function snapshot(): Promise<Readable> {
  const { getHeapSnapshot } = await import("node:v8");
  return getHeapSnapshot();
}

async function sampled(kind: "cpu" | "heap", { seconds, signal }: ProfileOptions): Promise<string> {
  const { Session } = await import("node:inspector/promises");
  const session = new Session();
  session.connect();
  try {
    if (kind === "heap") {
      await session.post("HeapProfiler.enable");
      await session.post("HeapProfiler.startSampling");
      await elapsed(seconds, signal);
      return JSON.stringify((await session.post("HeapProfiler.stopSampling")).profile);
    }
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
    await elapsed(seconds, signal);
    return JSON.stringify((await session.post("Profiler.stop")).profile);
  } finally {
    session.disconnect();
  }
}

/** @throws what the signal was aborted with */
function elapsed(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, seconds * 1000);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
