/** What the tests of commands run: the program, and the declaration of a service to run it on. */
import { join } from "node:path";

/** The file of `rouage`. */
export const main = join(import.meta.dirname, "main.ts");

const own = JSON.stringify(join(import.meta.dirname, "..", "index.ts"));
const typebox = JSON.stringify(import.meta.resolve("typebox"));

/**
 * The text of a file that declares a service with one list, `people`, open to everyone.
 * @param options of the list, as they stand in the file: `indexes: ["name"],`
 */
export function peopleService(options = ""): string {
  return `
import { Type } from ${typebox};
import { everyone, resource, service } from ${own};
const people = resource("people", {
  schema: Type.Object({ name: Type.String() }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
  ${options}
});
export default service({ name: "people", version: "1.0.0", resources: [people] });
`;
}
