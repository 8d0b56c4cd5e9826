/**
 * Errors as the log may show them. Their texts quote what they were about, and their properties hold it: of the texts the pieces that
 * look like secrets or addresses are hidden, of the properties only technical ones are shown.
 */

export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  /** With those of its causes. */
  readonly stack: string;
  readonly [property: string]: string | number;
}

/** What errors of the platform say about themselves; everything else may be input (`input` of a bad URL, `existing` of a conflict). */
const technical: readonly string[] = [
  "code",
  "errno",
  "syscall",
  "errcode",
  "errstr",
  "address",
  "port",
  "hostname",
  "status",
  "statusCode",
  "signal",
];

const deepestCause = 5;
const longestMessage = 2000;
const longestStack = 8000;

export function errorFields(error: Error): ErrorFields {
  const shown: Record<string, string | number> = {};
  for (const name of technical) {
    const value: unknown = Object.getOwnPropertyDescriptor(error, name)?.value;
    if (typeof value === "number") shown[name] = value;
    // `code` is also what one-time codes are called.
    else if (typeof value === "string" && !/^\d+$/.test(value)) shown[name] = scrub(value.slice(0, 200));
  }
  return {
    type: String(error.name),
    message: scrub(String(error.message).slice(0, longestMessage)),
    stack: stackOf(error, 0),
    ...shown,
  };
}

function stackOf(error: unknown, depth: number): string {
  if (!(error instanceof Error)) return typeof error;
  const own = scrub(String(error.stack ?? error.name).slice(0, longestStack));
  if (depth === deepestCause) return own;
  const causes = error instanceof AggregateError ? error.errors.slice(0, 3) : [];
  if (error.cause !== undefined) causes.push(error.cause);
  return [own, ...causes.map((cause) => `caused by: ${stackOf(cause, depth + 1)}`)].join("\n");
}

const hidden = "[redacted]";

/** The text without what looks like a token, credentials, a mail address or a phone number, or is quoted from a document. */
export function scrub(text: string): string {
  return withoutQuotedJson(text)
    .replaceAll(/\beyJ[\w-]{5,}\.[\w-]+(\.[\w-]*)?/g, hidden)
    .replaceAll(/\b(Bearer|Basic|DPoP) +[\w.~+/=-]{6,}/gi, `$1 ${hidden}`)
    .replaceAll(/:\/\/[^\s/@"']{1,256}@/g, `://${hidden}@`)
    .replaceAll(/(https?:\/\/[^\s"'?#]{1,2000})[?#][^\s"']*/gi, `$1?${hidden}`)
    .replaceAll(/[\w.+-]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,4}\.[a-z]{2,24}\b/gi, hidden)
    .replaceAll(/\+\d[\d .()-]{6,20}\d/g, hidden);
}

/** `JSON.parse` shows the place it failed at: `Unexpected token 'x', ..."text"... is not valid JSON`. */
function withoutQuotedJson(text: string): string {
  const end = text.indexOf(" is not valid JSON");
  const start = text.indexOf('"');
  if (end === -1 || start === -1 || start > end) return text;
  return `${text.slice(0, start)}${hidden}${text.slice(end)}`;
}
