/**
 * Positions in other formats, around the service's own door: reports in the report's JSON or as GeoJSON come in translated, answers go
 * out as GeoJSON or PIDF-LO where `Accept` prefers them. The resource inside knows only its own form.
 */
import { type HttpRequest, type HttpResponse, type Service, type ServiceDefinition, toFetch } from "rouage";
import { toPositionForm } from "./alias.ts";
import { geojsonType, type StoredPosition, toFeature, toFeatureCollection } from "./geojson.ts";
import { pidfType, toPidfLo } from "./pidf-lo.ts";

/** The same service, speaking the other formats too. */
export function withFormats(definition: ServiceDefinition): ServiceDefinition {
  return {
    ...definition,
    async start(options) {
      const service = await definition.start(options);
      const handle = (request: HttpRequest) => handleFormats(service, request);
      return { ...service, handle, fetch: toFetch(handle) };
    },
  };
}

const path = /^(\/v1)?\/me\/positions(\/[^/?]+)?\/?(\?|$)/;

async function handleFormats(service: Pick<Service, "handle">, request: HttpRequest): Promise<HttpResponse> {
  if (!path.test(request.url)) return service.handle(request);
  if (request.method === "POST") return service.handle(translated(request));
  if (request.method !== "GET" && request.method !== "HEAD") return service.handle(request);
  const format = preferred(request.header("accept"));
  if (format === undefined) return service.handle(request);
  const response = await service.handle(withHeaders(request, { accept: "application/json" }));
  if (response.status !== 200) return vary(response);
  const headers = { ...without(response.headers, "content-length"), "content-type": format };
  return vary(
    typeof response.body === "string"
      ? { ...response, headers, body: render(format, response.body) }
      : { ...response, headers },
  );
}

type Format = typeof geojsonType | typeof pidfType;

/** The format named with the highest quality, when that is one of ours and not JSON. */
function preferred(accept: string | undefined): Format | undefined {
  if (accept === undefined) return undefined;
  let best: { readonly type: string; readonly quality: number } | undefined;
  for (const part of accept.split(",").slice(0, 20)) {
    const [type = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const quality = weight === undefined ? 1 : Number(weight) || 0;
    const ours = type === geojsonType || type === pidfType || type === "application/json" || type === "*/*";
    if (ours && quality > (best?.quality ?? 0)) best = { type, quality };
  }
  return best?.type === geojsonType || best?.type === pidfType ? best.type : undefined;
}

function render(format: Format, json: string): string {
  const { data } = JSON.parse(json) as { data: StoredPosition | readonly StoredPosition[] };
  const all: readonly StoredPosition[] = Array.isArray(data) ? data : [data as StoredPosition];
  // Tombstones say that a position is gone; neither format has a word for that.
  const positions = all.filter((position) => Array.isArray(position.coordinates));
  if (format === pidfType) return toPidfLo(positions);
  const [only] = positions;
  return JSON.stringify(Array.isArray(data) || only === undefined ? toFeatureCollection(positions) : toFeature(only));
}

/** A report in another form becomes `{"data": {…}}` when its body is read; what cannot be read is left to the door inside. */
function translated(request: HttpRequest): HttpRequest {
  const type = request.header("content-type") ?? "";
  const json = type.toLowerCase().startsWith(geojsonType) ? { "content-type": "application/json" } : {};
  return {
    ...withHeaders(request, json),
    body: async (limit) => {
      const bytes = await request.body(limit);
      const translation = translateBody(new TextDecoder().decode(bytes));
      return translation === undefined ? bytes : new TextEncoder().encode(translation);
    },
  };
}

/** Undefined: not to be touched. */
export function translateBody(text: string): string | undefined {
  if (text.length > 65_536) return undefined;
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
    if ("data" in body) return JSON.stringify({ ...body, data: toPositionForm(body.data) });
    return "permissions" in body ? undefined : JSON.stringify({ data: toPositionForm(body) });
  } catch {
    // No JSON, or nested deeper than the stack: the door inside names what is wrong.
    return undefined;
  }
}

function withHeaders(request: HttpRequest, changed: Readonly<Record<string, string>>): HttpRequest {
  return {
    method: request.method,
    url: request.url,
    origin: request.origin,
    peer: request.peer,
    header: (name) => changed[name] ?? request.header(name),
    headers: () => ({ ...request.headers(), ...changed }),
    body: (limit) => request.body(limit),
    get signal() {
      return request.signal;
    },
  };
}

function vary(response: HttpResponse): HttpResponse {
  return { ...response, headers: { ...response.headers, vary: "accept" } };
}

function without(headers: HttpResponse["headers"], name: string): HttpResponse["headers"] {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}
