/** `If-Match` on routes that are no resource operations: one quoted integer, or `*` for "any that exists". */
import { invalid } from "rouage";

export type WishedRevision = number | "*";

/** @throws ServiceError `invalid-parameters` */
export function wishedRevision(header: string | undefined): WishedRevision | undefined {
  if (header === undefined || header === "*") return header;
  if (/^"[0-9]{1,15}"$/.test(header)) return Number(header.slice(1, -1));
  throw invalid({
    location: "header",
    name: "If-Match",
    description: "The value should be integer between double quotes.",
    code: "invalid-etag",
  });
}

export function matches(wished: WishedRevision | undefined, revision: number | undefined): boolean {
  if (wished === undefined) return true;
  return wished === "*" ? revision !== undefined : wished === revision;
}
