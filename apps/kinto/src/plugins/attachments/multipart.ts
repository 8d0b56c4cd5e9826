/** `multipart/form-data` as attachments are sent: one file, handed on while it arrives, and two texts. */
import type { Readable, Writable } from "node:stream";
import { Busboy } from "@fastify/busboy";
import { invalid, ServiceError } from "rouage";

export interface Form<T> {
  readonly filename: string;
  /** As the client said. */
  readonly mimetype: string;
  /** What `receive` made of the file. */
  readonly file: T;
  /** Text of the parts `data` and `permissions`. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface FormOptions<T> {
  readonly contentType: string;
  /** Largest text, in bytes. */
  readonly textLimit: number;
  /** Called before the file arrives; throws where it is not wanted. */
  readonly accept: (filename: string) => void;
  readonly receive: (file: Readable) => Promise<T>;
  /** What came of `receive` where the form fails behind it. */
  readonly discard: (file: T) => Promise<void>;
  readonly signal: AbortSignal;
}

/** @throws ServiceError `invalid-posted-data`, `invalid-parameters`, `body-too-large`, and what `accept` and `receive` throw */
export async function readForm<T>(body: ReadableStream<Uint8Array>, options: FormOptions<T>): Promise<Form<T>> {
  const { contentType, textLimit, signal } = options;
  const failure = Promise.withResolvers<never>();
  // Whoever does not wait for it any more must not make it an unhandled one.
  failure.promise.catch(() => {});
  const texts = new Map<string, string>();
  const files: {
    readonly filename: string;
    readonly mimetype: string;
    readonly source: Readable;
    readonly received: Promise<T>;
  }[] = [];
  const busboy = parserOf(contentType, textLimit);

  busboy.on("file", (name, source, filename, _encoding, mimetype) => {
    // Its own errors are those of who reads it.
    source.on("error", () => {});
    try {
      if (name !== "attachment") throw texted.has(name) ? notText(name) : unknownPart(name);
      if (filename === "") throw noFilename();
      if (!wellFormed(filename)) throw invalidBody("The filename is not valid UTF-8");
      if (files.length > 0) throw twice(name);
      options.accept(filename);
    } catch (error) {
      failure.reject(error);
      source.resume();
      return;
    }
    const received = options.receive(source);
    received.catch(failure.reject);
    files.push({ filename, mimetype, source, received });
  });
  busboy.on("field", (name, value, _nameIsCut, isCut) => {
    if (name === "attachment") failure.reject(noFilename());
    else if (!texted.has(name)) failure.reject(unknownPart(name));
    else if (texts.has(name)) failure.reject(twice(name));
    else if (isCut) failure.reject(new ServiceError("body-too-large"));
    else texts.set(name, value);
  });
  busboy.on("partsLimit", () =>
    failure.reject(new ServiceError("invalid-posted-data", { message: "Too many parts." })),
  );
  busboy.on("filesLimit", () => failure.reject(twice("attachment")));
  busboy.on("error", (error) => failure.reject(malformed(error)));
  const finished = new Promise<void>((resolve) => busboy.on("finish", resolve));
  const abandon = () => failure.reject(signal.reason);
  signal.addEventListener("abort", abandon, { once: true });
  if (signal.aborted) abandon();

  const reader = body.getReader();
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), failure.promise]);
      if (next.done) break;
      if (!busboy.write(next.value)) await Promise.race([drained(busboy), failure.promise]);
    }
    busboy.end();
    await Promise.race([finished, failure.promise]);
    const [part] = files;
    if (part === undefined) throw new ServiceError("invalid-posted-data", { message: "Attachment missing." });
    return {
      filename: part.filename,
      mimetype: part.mimetype,
      file: await Promise.race([part.received, failure.promise]),
      texts,
    };
  } catch (error) {
    await Promise.allSettled(
      files.map(async ({ source, received }) => {
        source.destroy(error instanceof Error ? error : new Error("given up"));
        await options.discard(await received);
      }),
    );
    void reader.cancel().catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", abandon);
  }
}

const texted: ReadonlySet<string> = new Set(["data", "permissions"]);

function parserOf(contentType: string, textLimit: number) {
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      limits: { fieldNameSize: 100, fieldSize: textLimit, files: 1, parts: 10, headerPairs: 50, headerSize: 8192 },
      isPartAFile: (_name, _type, filename) => filename !== undefined,
    });
  } catch (error) {
    throw malformed(error);
  }
}

function drained(writable: Writable): Promise<void> {
  return new Promise((resolve) => writable.once("drain", resolve));
}

/** Messages of the parser quote nothing that was sent. */
function malformed(error: unknown): ServiceError {
  if (ServiceError.is(error)) return error;
  return invalidBody(`Invalid multipart body: ${error instanceof Error ? error.message : "unreadable"}`);
}

function invalidBody(description: string): ServiceError {
  return invalid({ location: "body", name: null, description, code: "multipart" });
}

function noFilename(): ServiceError {
  return invalid({ location: "body", name: null, description: "Filename is required.", code: "required" });
}

function unknownPart(name: string | undefined): ServiceError {
  const shown = JSON.stringify(String(name).slice(0, 64));
  return new ServiceError("invalid-posted-data", {
    message: `body: ${shown} not in ("attachment", "data", "permissions")`,
  });
}

function notText(name: string): ServiceError {
  return new ServiceError("invalid-posted-data", {
    message: `body: "${name}" field should be passed as form data, not files`,
  });
}

function twice(name: string): ServiceError {
  return new ServiceError("invalid-posted-data", { message: `body: "${name}" is given twice` });
}

/** What the parser could not decode, it has replaced. */
function wellFormed(text: string): boolean {
  return text.isWellFormed() && !text.includes("\uFFFD") && !text.includes("\0");
}
