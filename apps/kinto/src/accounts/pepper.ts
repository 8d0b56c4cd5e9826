/** The key mixed into password hashes. Hashes made before one was set, and those of an imported Kinto, stay valid. */
import { createHash } from "node:crypto";
import type { PepperKeys } from "rouage/auth";

export function pepperKeys(secret: string | undefined): PepperKeys {
  const none = { id: "none", key: new Uint8Array(Buffer.from("kinto")) };
  const own =
    secret === undefined
      ? none
      : {
          id: createHash("sha256").update(`id of ${secret}`).digest("hex").slice(0, 12),
          key: new Uint8Array(Buffer.from(secret)),
        };
  return {
    active: () => own,
    find: (id) => (id === own.id ? own.key : id === none.id ? none.key : undefined),
  };
}
