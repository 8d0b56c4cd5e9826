/** The photo of a profile: an uploaded file as the data URL that is stored, or the reason why it is none. */
import type { UploadedFile } from "../forms.ts";

/** Largest photo, in bytes. */
export const photoLimit = 100 * 1024;

export type Photo = { readonly url: string } | { readonly fault: "photo" | "photoTooLarge" };

export function readPhoto({ bytes }: UploadedFile): Photo {
  const type = imageType(bytes);
  if (type === undefined) return { fault: "photo" };
  if (bytes.length > photoLimit) return { fault: "photoTooLarge" };
  return { url: `data:image/${type};base64,${Buffer.from(bytes).toString("base64")}` };
}

/** By its first bytes: names and declared types are often wrong. */
function imageType(bytes: Uint8Array): "jpeg" | "png" | "webp" | undefined {
  const start = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  if (start.startsWith("\xff\xd8\xff")) return "jpeg";
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  return start.startsWith("RIFF") && start.slice(8) === "WEBP" ? "webp" : undefined;
}
