/** Examines the store of a URL for whatever keeps a service from using it. Changes nothing. */
import { systemClock } from "../clock.ts";
import { openStorage } from "./open.ts";
import type { ExamineOptions, Symptom } from "./symptom.ts";

export async function examineStore(url: string, options: ExamineOptions = {}): Promise<readonly Symptom[]> {
  const scheme = url.slice(0, Math.max(0, url.indexOf(":")));
  if (scheme === "memory") return [];
  if (scheme === "sqlite" && url !== "sqlite:") {
    const { examineFile } = await import("./sqlite/examine.ts");
    return examineFile(url.slice("sqlite:".length).replace(/^\/\//, ""));
  }
  if (scheme === "postgres" || scheme === "postgresql") {
    const { examineServer } = await import("./postgres/examine.ts");
    return examineServer(url, options);
  }
  if (scheme === "mongodb" || scheme === "mongodb+srv") {
    const { examineDatabase } = await import("./mongodb/examine.ts");
    return examineDatabase(url, options);
  }
  return opened(url, options);
}

/** Of a storage that has nothing better: whether it can be opened and asked. */
async function opened(url: string, { name }: ExamineOptions): Promise<readonly Symptom[]> {
  try {
    await using storage = await openStorage(url, { clock: systemClock, ...(name === undefined ? {} : { name }) });
    await storage.check(true);
    return [];
  } catch (error) {
    const message = `the storage cannot be used: ${causeOf(error)}`;
    return [
      { level: "error", about: "storage", message, remedy: "correct the setting `storage`, or start the server" },
    ];
  }
}

function causeOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return inner instanceof Error ? inner.message : String(inner);
}
