/** Gives files out: to everybody who knows where they are, as in Kinto, and so that no page can be made of them on this server's origin. */
import type { FileHandle } from "node:fs/promises";
import { everyone, type Route, reply, route, type ServiceContext, ServiceError } from "rouage";
import type { FileStore } from "./file-store.ts";
import { linkAt } from "./links.ts";

/** Folders are at most so deep. */
const deepest = 6;

/** @param path begins and ends with a slash */
export function servingRoutes(path: string, { storage }: ServiceContext, files: FileStore): readonly Route[] {
  return Array.from({ length: deepest }, (_, index) => {
    const names = Array.from({ length: index + 1 }, (_, at) => `part${at}`);
    return route("GET", `${path}${names.map((name) => `{${name}}`).join("/")}`, {
      access: [everyone],
      credentials: "optional",
      unversioned: true,
      documented: false,
      summary: "The file of a record",
      handler: async ({ request, params }) => {
        const parts = names.map((name) => (params as Readonly<Record<string, string>>)[name] ?? "");
        // Nothing hidden, and no way up.
        if (parts.some((part) => part === "" || part.startsWith(".") || /[/\\\0]/.test(part))) throw missing();
        const location = parts.join("/");
        const file = await files.open(location);
        if (file === undefined) throw missing();
        const { handle, stats } = file;
        let isSent = false;
        try {
          const { filename = parts.at(-1) ?? "", mimetype = "application/octet-stream" } =
            (await linkAt(storage, location)) ?? {};
          const etag = `"${stats.ino.toString(36)}-${stats.size.toString(36)}-${Math.trunc(stats.mtimeMs).toString(36)}"`;
          const headers = {
            ...safeHeaders,
            "content-type": plain.test(mimetype) ? mimetype : "application/octet-stream",
            "content-disposition": dispositionOf(filename, mimetype),
            "last-modified": stats.mtime.toUTCString(),
            etag,
          };
          if (request.header("if-none-match")?.includes(etag) === true) return reply(304, undefined, headers);
          const range = rangeOf(request.header("range"), stats.size);
          const isPart = range !== undefined && [undefined, etag].includes(request.header("if-range"));
          if (isPart && range === "none")
            return reply(416, undefined, { ...headers, "content-range": `bytes */${stats.size}` });
          const [first, last] = isPart && range !== "none" ? range : [0, stats.size - 1];
          const sent = {
            ...headers,
            "content-length": String(last - first + 1),
            ...(isPart && { "content-range": `bytes ${first}-${last}/${stats.size}` }),
          };
          if (request.method === "HEAD") return reply(isPart ? 206 : 200, undefined, sent);
          isSent = true;
          return reply(isPart ? 206 : 200, bytesOf(handle, first, last), sent);
        } finally {
          if (!isSent) await handle.close();
        }
      },
    });
  });
}

const safeHeaders = {
  "x-content-type-options": "nosniff",
  // Neither scripts nor forms, and an origin of its own: what is uploaded is not to be trusted.
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
  "cross-origin-resource-policy": "cross-origin",
  "accept-ranges": "bytes",
  // A record may change its file, and a file may go.
  "cache-control": "no-cache",
};

const plain = /^[\w.+-]+\/[\w.+-]+$/;

/** Shown in the browser where nothing can run in it. */
const shown =
  /^(image\/(png|jpeg|gif|webp|avif|bmp)|audio\/[\w.+-]+|video\/[\w.+-]+|text\/plain|application\/(pdf|json))$/;

/** RFC 6266 §4.3, with RFC 8187 for what ASCII has not. */
function dispositionOf(filename: string, mimetype: string): string {
  const ascii = filename.replaceAll(/[^ -~]|["\\%]/g, "_");
  const encodedName = encodeURIComponent(filename.toWellFormed()).replaceAll(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16)}`,
  );
  const kind = shown.test(mimetype) ? "inline" : "attachment";
  return `${kind}; filename="${ascii}"${ascii === filename ? "" : `; filename*=UTF-8''${encodedName}`}`;
}

/** One range of bytes; `none` where the file has nothing of it; undefined where the header says nothing that we honour (RFC 9110 §14.2). */
function rangeOf(header: string | undefined, size: number): readonly [number, number] | "none" | undefined {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return undefined;
  if (from === "") return Number(to) === 0 || size === 0 ? "none" : [Math.max(0, size - Number(to)), size - 1];
  if (to !== "" && Number(to) < Number(from)) return undefined;
  return Number(from) >= size ? "none" : [Number(from), to === "" ? size - 1 : Math.min(Number(to), size - 1)];
}

function bytesOf(handle: FileHandle, first: number, last: number): ReadableStream<Uint8Array> {
  let at = first;
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const wanted = Math.min(pieceSize, last - at + 1);
          const { bytesRead, buffer } =
            wanted > 0 ? await handle.read(new Uint8Array(wanted), 0, wanted, at) : { bytesRead: 0, buffer: empty };
          at += bytesRead;
          if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
          if (at > last) {
            await handle.close();
            controller.close();
          } else if (bytesRead === 0) throw new Error("the file is shorter than it was");
        } catch (error) {
          await handle.close().catch(() => {});
          throw error;
        }
      },
      cancel: () => handle.close(),
    },
    { highWaterMark: 0 },
  );
}

const pieceSize = 64 * 1024;
const empty = new Uint8Array();

function missing(): ServiceError {
  return new ServiceError("route-not-found");
}
