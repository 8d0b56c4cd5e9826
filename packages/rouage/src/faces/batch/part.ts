/** What a request inside a batch shares with the batch: its caller, its deadline, its slot. Known to the face that made it alone. */
import type { HttpResponse } from "../../http.ts";
import type { Principal } from "../../principal.ts";

export interface Part {
  /** Who makes this request, found out before the batch began. `lenient`: credentials that are not valid count as none. */
  identify(lenient: boolean): Principal;
  /** The face's own answer, if it is JSON that the face wrote itself: nobody has to check it. */
  vouched: HttpResponse | undefined;
}

/** The parts that one face knows, by what `HttpRequest.partOf` says. */
export type Parts = WeakMap<object, Part>;
