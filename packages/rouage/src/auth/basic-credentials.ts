/** What an Authorization header of the scheme Basic (RFC 7617) says. */

export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

/** User and password; undefined when the header is absent, of another scheme or malformed. */
export function parseBasic(header: string | undefined): BasicCredentials | undefined {
  if (header === undefined || header.length > longestHeader) return undefined;
  const encoded = /^basic[ \t]+([A-Za-z0-9+/_-]+={0,2})[ \t]*$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = decode(Buffer.from(encoded, "base64"));
  const colon = text.indexOf(":");
  return colon === -1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

const longestHeader = 8192;

/** UTF-8, or Latin-1 where it is none: what older clients send. */
function decode(bytes: Buffer): string {
  try {
    return strict.decode(bytes);
  } catch {
    return bytes.toString("latin1");
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
