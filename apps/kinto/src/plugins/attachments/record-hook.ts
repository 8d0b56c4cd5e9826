/** What a write of a record means for its file: metadata are changed by uploads alone, and a file that is let go of is told to the log. */
import { isDeepStrictEqual } from "node:util";
import { type Hooks, invalid, type JsonObject, type OperationContext } from "rouage";
import { type Link, linkChange, placeOf, releasedEvent } from "./links.ts";

/** Writes of ours, each with the link to the new file. */
export type OwnWrites = WeakMap<OperationContext, Link>;

export function recordHook(own: OwnWrites): Hooks<JsonObject> {
  return {
    before({ id, parent, previous, next, also }, context) {
      const link = own.get(context);
      if (link !== undefined) also(linkChange(link, "kept"));
      const before = previous?.attachment ?? null;
      if (before === null) return;
      const after = next?.attachment ?? null;
      if (isDeepStrictEqual(before, after)) return;
      if (after !== null && link === undefined)
        throw invalid({
          location: "body",
          name: "attachment",
          description: "Attachment metadata cannot be modified.",
          code: "read-only",
        });
      also(releasedEvent(placeOf({ parent, id })));
    },
  };
}
