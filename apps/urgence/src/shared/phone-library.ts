/** The numbering plans of all countries, loaded when the first number is looked at: a hundred modules that a start need not wait for. */
import { createRequire } from "node:module";
import type * as Library from "libphonenumber-js";

const load = createRequire(import.meta.url);

export function phoneLibrary(): typeof Library {
  return load("libphonenumber-js");
}
