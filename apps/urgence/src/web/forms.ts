/** Form bodies, read with bounds: so many bytes, so many fields, so long a value. */
import { type HttpRequest, ServiceError } from "rouage";

/** A submitted form. Absent values read as empty, never as undefined. */
export interface Form {
  /** The value of a field, trimmed, control characters other than line breaks removed. */
  text(name: string): string;
  /** The value exactly as sent: passwords, documents. */
  secret(name: string): string;
  all(name: string): readonly string[];
  has(name: string): boolean;
  file(name: string): Promise<UploadedFile | undefined>;
}

export interface UploadedFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

export const formTypes = ["application/x-www-form-urlencoded", "multipart/form-data"] as const;

const maxFields = 2000;
/** Longer than any text a field takes: what is over it is refused by the API as too long. */
const longestText = 20_000;

export async function readForm(request: HttpRequest, limit: number): Promise<Form> {
  const type = request.header("content-type") ?? "";
  const bytes = await request.body(limit);
  const essence = type.split(";")[0]?.trim().toLowerCase();
  if (essence === "application/x-www-form-urlencoded")
    return form(new URLSearchParams(new TextDecoder().decode(bytes)));
  if (essence === "multipart/form-data") return form(await multipart(bytes, type));
  throw new ServiceError("unsupported-media-type", { message: "A form was expected." });
}

async function multipart(bytes: Uint8Array, type: string): Promise<FormData> {
  try {
    return await new Response(new Blob([new Uint8Array(bytes)]), { headers: { "content-type": type } }).formData();
  } catch (cause) {
    throw new ServiceError("invalid-parameters", { message: "The form could not be read.", cause });
  }
}

function form(data: URLSearchParams | FormData): Form {
  const texts = new Map<string, string[]>();
  const files = new Map<string, Blob & { readonly name: string }>();
  let fields = 0;
  for (const [name, value] of data as Iterable<[string, string | (Blob & { readonly name: string })]>) {
    fields += 1;
    if (fields > maxFields) throw new ServiceError("body-too-large", { message: "The form has too many fields." });
    if (typeof value !== "string") files.set(name, value);
    else texts.set(name, [...(texts.get(name) ?? []), value]);
  }
  return {
    text: (name) => clean((texts.get(name)?.[0] ?? "").slice(0, longestText)),
    secret: (name) => texts.get(name)?.[0] ?? "",
    all: (name) => (texts.get(name) ?? []).map(clean),
    has: (name) => texts.has(name),
    async file(name) {
      const file = files.get(name);
      if (file === undefined || file.size === 0) return undefined;
      return { name: file.name, type: file.type, bytes: new Uint8Array(await file.arrayBuffer()) };
    },
  };
}

function clean(value: string): string {
  return value
    .replace(/\r\n?/g, "\n")
    .replace(/\t/g, " ")
    .replace(/[^\P{Cc}\n]/gu, "")
    .normalize("NFC")
    .trim();
}
