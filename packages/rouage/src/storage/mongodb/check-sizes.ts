/** What this storage refuses before it is written, so that it is refused alone: objects that are more than one document can hold. */
import type { Change } from "../storage.ts";
import { documentOf } from "./documents.ts";
import type { Driver } from "./driver.ts";
import { notStorable } from "./failures.ts";

/** Bytes; a server takes 16 MiB, of which the rest is for names and numbers. */
const largestDocument = 15_500_000;
/** A body of fewer characters is neither too large nor too deep. */
const harmless = 10_000;

/** @throws ServiceError `invalid-parameters` */
export function checkSizes(changes: readonly Change[], { calculateObjectSize }: Driver["BSON"]): void {
  for (const change of changes) {
    if (change.kind !== "put" || change.body.length < harmless) continue;
    const { key, body, permissions = {} } = change;
    const written = { kind: "entry", key, revision: 0, body, owner: null, permissions, isNew: true } as const;
    let size: number;
    try {
      size = calculateObjectSize(documentOf(written, 0));
    } catch (error) {
      // Nested beyond what a stack takes.
      throw notStorable(error);
    }
    if (size > largestDocument) throw notStorable(new Error(`a document of ${size} bytes`));
  }
}
