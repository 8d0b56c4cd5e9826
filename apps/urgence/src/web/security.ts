/** What every page sends and checks to keep scripts, frames and other sites out. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { HttpRequest } from "rouage";

const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "connect-src 'self'",
  "manifest-src 'self'",
].join("; ");

/** Headers of every page. */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": contentSecurityPolicy,
  "referrer-policy": "no-referrer",
  "permissions-policy": "geolocation=(self), camera=(), microphone=(), payment=(), usb=(), interest-cohort=()",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  vary: "cookie, accept-language",
};

/** Headers of pages that show or take something personal. */
export const personalHeaders: Readonly<Record<string, string>> = {
  ...pageHeaders,
  "cache-control": "no-store",
  "x-robots-tag": "noindex, nofollow, noarchive",
};

/** A fresh token for forms of visitors without a session. */
export const newToken = (): string => randomBytes(32).toString("base64url");

/** Compares secrets without telling by time how far they agree. */
export function sameSecret(a: string, b: string): boolean {
  return a !== "" && b !== "" && timingSafeEqual(digest(a), digest(b));
}

export function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/**
 * Whether a form was sent from a page of this site, by what the browser says about it (Fetch Metadata, Origin). Our pages send
 * `Referrer-Policy: no-referrer`, for which browsers write `Origin: null`; then the form token alone decides.
 */
export function fromThisSite(request: HttpRequest, publicOrigin: string | undefined): boolean {
  const site = request.header("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  const origin = request.header("origin");
  if (origin === undefined || origin === "null") return true;
  return origin === publicOrigin || origin === request.origin || hostOf(origin) === request.header("host");
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
