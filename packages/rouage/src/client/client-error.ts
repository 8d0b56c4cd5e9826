/** What a client throws for an answer that is an error of the service. */

export class ClientError extends Error {
  override readonly name = "ClientError";
  /** HTTP status. */
  readonly status: number;
  /** Number of the protocol's error table; undefined where the answer came from somebody else on the way. */
  readonly errno: number | undefined;
  /** As the service sent it: a list of violations, or an object such as `{existing}`. */
  readonly details: unknown;
  /** Seconds to wait before trying again, where the answer said so. */
  readonly retryAfter: number | undefined;
  constructor(message: string, answer: Pick<ClientError, "status" | "errno" | "details" | "retryAfter">) {
    super(message);
    this.status = answer.status;
    this.errno = answer.errno;
    this.details = answer.details;
    this.retryAfter = answer.retryAfter;
  }
}

/** Reads the error of an answer, whatever it looks like. */
export async function errorOf(response: Response): Promise<ClientError> {
  const body: unknown = await response.json().catch(() => undefined);
  const { errno, error, message, details } = (typeof body === "object" && body !== null ? body : {}) as Readonly<
    Record<string, unknown>
  >;
  const text = [error, message].filter((part) => typeof part === "string").join(": ");
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new ClientError(`${response.status} ${text === "" ? response.statusText : text}`.trim(), {
    status: response.status,
    errno: typeof errno === "number" ? errno : undefined,
    details,
    retryAfter: Number.isFinite(wait) ? wait : undefined,
  });
}
