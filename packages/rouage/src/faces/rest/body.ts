/** JSON request bodies: media type, size, encoding, nesting, syntax. */
import { invalid, ServiceError, violationError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import { isWithinDepth } from "../../schema/text.ts";
import type { Exchange } from "./exchange.ts";
import { deeperThan } from "./json-depth.ts";

export interface BodyLimits {
  /** Bytes. */
  readonly size: number;
  /** Levels of nesting. */
  readonly depth: number;
}

export const jsonType = "application/json";

/** A body that was sent: its media type and its parsed value. */
export interface JsonBody {
  readonly type: string;
  readonly value: Json;
  /** Bytes that were read for it; 0 where somebody else has. */
  readonly size: number;
}

/**
 * Reads the JSON body of a request; undefined when there is none. A body without a media type is taken as JSON.
 * @throws ServiceError `unsupported-media-type`, `body-too-large`, `invalid-parameters`
 */
export async function readJson(
  exchange: Exchange,
  types: readonly string[],
  limits: BodyLimits,
): Promise<JsonBody | undefined> {
  const coding = exchange.request.header("content-encoding");
  if (coding !== undefined && coding !== "" && coding.toLowerCase() !== "identity") throw encoded();
  const type = mediaTypeOf(exchange);
  const parsed = parsedContent(exchange, limits);
  if (parsed !== undefined) {
    if (type !== undefined && !types.includes(type)) throw unsupported(types);
    return { type: type ?? jsonType, value: parsed, size: 0 };
  }
  const length = contentLength(exchange);
  if (type !== undefined && length !== 0 && !types.includes(type)) {
    // A media type without a body describes nothing.
    if (length === undefined && exchange.request.header("transfer-encoding") === undefined) {
      const bytes = await exchange.body(limits.size);
      if (bytes.length === 0) return undefined;
    }
    throw unsupported(types);
  }
  if (length !== undefined && length > limits.size) throw new ServiceError("body-too-large");
  // As `exchange.body` does, without its promise: this is how every write begins.
  exchange.reading = true;
  const bytes = await exchange.request.body(limits.size);
  exchange.reading = false;
  if (bytes.length === 0) return undefined;
  return { type: type ?? jsonType, value: parseJson(bytes, limits.depth), size: bytes.length };
}

/** Of a request in a batch, as long as it is the one that the batch has made; what is nested too deeply is refused as everywhere. */
function parsedContent({ part, request }: Exchange, { depth }: BodyLimits): Json | undefined {
  const content = part?.content;
  return content?.request === request && isWithinDepth(content.value, depth) ? content.value : undefined;
}

/** @throws ServiceError `invalid-parameters` */
export function parseJson(bytes: Uint8Array, depth: number): Json {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw invalid({ location: "body", name: null, description: "Invalid UTF-8", code: "invalid-utf8" });
  }
  if (deeperThan(text, depth))
    throw invalid({
      location: "body",
      name: null,
      description: `JSON is nested deeper than ${depth} levels`,
      code: "too-deep",
    });
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : "";
    throw invalid({ location: "body", name: null, description: `Invalid JSON: ${reason}`, code: "invalid-json" });
  }
}

/** Media type of the body, lower case, without parameters; other charsets than UTF-8 are kept, so that they match nothing. */
export function mediaTypeOf(exchange: Exchange): string | undefined {
  const header = exchange.request.header("content-type");
  if (header === undefined || header === jsonType) return header;
  const [type = "", ...parameters] = header.split(";").map((part) => part.trim().toLowerCase());
  if (type === "") return undefined;
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice(8);
  return charset === undefined || charset === "utf-8" || charset === '"utf-8"' || charset === "utf8"
    ? type
    : `${type}; charset=${charset}`;
}

export function unsupported(types: readonly string[]): ServiceError {
  return violationError("unsupported-media-type", [
    {
      location: "header",
      name: "Content-Type",
      description: `Content-Type header should be one of ${JSON.stringify(types)}`,
      code: "media-type",
    },
  ]);
}

/** Compressed bodies are not read: their size would be known too late. `Accept-Encoding` says so (RFC 9110 §12.5.3). */
function encoded(): ServiceError {
  const { message, details = [] } = violationError("unsupported-media-type", [
    {
      location: "header",
      name: "Content-Encoding",
      description: "Content-Encoding header should be identity",
      code: "content-encoding",
    },
  ]);
  return new ServiceError("unsupported-media-type", { message, details, headers: { "accept-encoding": "identity" } });
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function contentLength(exchange: Exchange): number | undefined {
  const header = exchange.request.header("content-length");
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
