/** What a request inside a batch shares with the batch: its caller, its deadline, its slot. Known to the face that made it alone. */
import type { HttpRequest, HttpResponse } from "../../http.ts";
import type { Json } from "../../json.ts";
import type { Principal } from "../../principal.ts";

export interface Part {
  /** Who makes this request, found out before the batch began. `lenient`: credentials that are not valid count as none. */
  identify(lenient: boolean): Principal;
  /** The face's own answer, if it is JSON that the face wrote itself: nobody has to check it. */
  vouched: HttpResponse | undefined;
  /** What the body of a request is, known because the batch has been parsed: nobody has to write it down and read it again. */
  content: Content | undefined;
}

export interface Content {
  /** A request made of this one may have another body. */
  readonly request: HttpRequest;
  /** Nobody else has it: it may be changed. */
  readonly value: Json;
}

/** The parts that one face knows, by what `HttpRequest.partOf` says. */
export type Parts = WeakMap<object, Part>;
