/** Content negotiation by `Accept` (RFC 9110 §12.5.1): is JSON welcome, is a stream wanted, and are errors wanted as problem details. */
import { type ServiceError, violationError } from "../../errors.ts";

export interface Negotiated {
  /** A JSON answer is acceptable. */
  readonly json: boolean;
  /** Errors are wanted as `application/problem+json` (RFC 9457). */
  readonly problem: boolean;
  /** An event stream is wanted, where there is one. */
  readonly stream: boolean;
}

const anything: Negotiated = { json: true, problem: false, stream: false };
const remembered = 256;

/** A negotiator that remembers the headers it has seen (clients send few different ones). */
export function createNegotiator(): (accept: string | undefined) => Negotiated {
  const known = new Map<string, Negotiated>();
  return (accept) => {
    if (accept === undefined || accept === "*/*" || accept === "application/json") return anything;
    let answer = known.get(accept);
    if (answer === undefined) {
      answer = negotiate(accept);
      if (known.size >= remembered) known.clear();
      known.set(accept, answer);
    }
    return answer;
  };
}

function negotiate(accept: string): Negotiated {
  const ranges = new Map<string, number>();
  for (const part of accept.split(",")) {
    const [range = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    if (range === "") continue;
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const quality = weight === undefined ? 1 : Number(weight);
    ranges.set(range, Number.isNaN(quality) ? 0 : Math.min(1, Math.max(0, quality)));
  }
  // A header that says nothing is as good as none.
  if (ranges.size === 0) return anything;
  const json = ranges.get("application/json") ?? ranges.get("application/*") ?? ranges.get("*/*") ?? 0;
  const problem = ranges.get("application/problem+json") ?? 0;
  const stream = ranges.get("text/event-stream") ?? 0;
  // Whoever names only problem+json wants its errors so, and still gets data as JSON: there is no other form of it.
  return {
    json: json > 0 || problem > 0,
    problem: problem > 0 && problem >= (ranges.get("application/json") ?? 0),
    // Only who names it: a list is not to become endless for who takes anything.
    stream: stream > 0 && stream >= (ranges.get("application/json") ?? 0),
  };
}

/** Of an endpoint that answers nothing but JSON. */
export function notAcceptable(): ServiceError {
  return violationError("not-acceptable", [
    {
      location: "header",
      name: "Accept",
      description: `Accept header should be one of ["application/json"]`,
      code: "media-type",
    },
  ]);
}
