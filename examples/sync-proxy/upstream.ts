/** Calls of the upstream: bounded in time and size, failures as our errors. */
import { ServiceError } from "rouage";

export interface UpstreamRequest {
  readonly method: string;
  /** Below the upstream's base, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export type Upstream = (request: UpstreamRequest) => Promise<{
  readonly status: number;
  readonly headers: Headers;
  /** Parsed; undefined where there is none. */
  readonly body: unknown;
}>;

const longestCallMs = 10_000;
const largestAnswer = 16 * 1024 * 1024;

/** @param base for example `https://sync.example/1.5/42` */
export function upstreamAt(base: string): Upstream {
  return async ({ method, path, headers, body, signal }) => {
    try {
      const response = await fetch(base.replace(/\/$/, "") + path, {
        method,
        headers: { accept: "application/json", ...headers },
        ...(body === undefined ? {} : { body }),
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(longestCallMs)]),
      });
      const text = await bounded(response);
      const isJson = response.ok && text !== "" && response.headers.get("content-type")?.includes("json") === true;
      return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : undefined };
    } catch (error) {
      throw new ServiceError("unavailable", { headers: { "retry-after": "30" }, cause: error });
    }
  };
}

async function bounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > largestAnswer) throw new Error("the upstream's answer is too large");
  }
  return text + decoder.decode();
}
