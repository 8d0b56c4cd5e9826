/** What the tests of the access service share: keys in memory, and storages that clean up after themselves. */
import { generateKeyPairSync, type webcrypto } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "rouage";
import type { SigningKeys } from "rouage/auth";
import { openStorage, type Storage } from "rouage/storage";
import { type StorageKind, testStore } from "../../../../../scripts/test-stores.ts";
import { temporaryFolder } from "../../shared/test-callers.ts";
import type { AuditDraft } from "./audit/entry.ts";

export async function openTestStorage(
  kind: StorageKind,
  clock: Clock,
): Promise<{ storage: Storage } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const store = await testStore(kind, join(folder.path, "access.db"));
  const storage = await openStorage(store.url, { clock });
  return {
    storage,
    async [Symbol.asyncDispose]() {
      await storage.close();
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export function testKeys(kid = "k1"): SigningKeys {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const jwk = privateKey.export({ format: "jwk" }) as webcrypto.JsonWebKey;
  const published = { ...(publicKey.export({ format: "jwk" }) as webcrypto.JsonWebKey), kid, alg: "EdDSA", use: "sig" };
  return {
    algorithm: "EdDSA",
    active: () => ({ kid, jwk: jwk as ReturnType<SigningKeys["active"]>["jwk"] }),
    jwks: () => ({ keys: [published as ReturnType<SigningKeys["jwks"]>["keys"][number]] }),
    reload: async () => {},
  };
}

export function draft(number: number, more: Partial<AuditDraft> = {}): AuditDraft {
  return {
    audit: `audit-${number}`,
    at: "2026-06-01T12:00:00.000Z",
    level: 2,
    actor: "responder-1",
    role: "responder",
    site: "samu-75",
    person: `person-${number % 3}`,
    reason: "unconscious",
    incident: "2026-0042",
    sections: ["allergies"],
    outcome: "shown",
    request: `request-${number}`,
    ...more,
  };
}

export type UnreliableStorage = Storage & {
  /** True: commits and reads fail. */
  failing: boolean;
  /** True: commits and reads wait until it is false again, and are made then. */
  hanging: boolean;
  /** Asked before each erasure: true makes it fail. */
  failErase: () => boolean;
};

/** A storage that does as told. */
export function unreliable(storage: Storage): UnreliableStorage {
  const guarded = new Set<PropertyKey>(["commit", "get", "list", "count", "erase"]);
  const switches = { failing: false, hanging: false };
  const held: (() => void)[] = [];
  let failErase = () => false;
  return new Proxy(storage, {
    get(target, name) {
      if (name === "failing" || name === "hanging") return switches[name];
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const work = () => Reflect.apply(member, target, args);
        if (!guarded.has(name)) return work();
        if (switches.failing || (name === "erase" && failErase()))
          return Promise.reject(new Error("the disk is on fire"));
        return switches.hanging ? new Promise<void>((resolve) => held.push(resolve)).then(work) : work();
      };
    },
    set(_target, name, value) {
      if (name === "failErase") failErase = value;
      if (name !== "failing" && name !== "hanging") return name === "failErase";
      switches[name] = value === true;
      if (!switches.hanging) for (const release of held.splice(0)) release();
      return true;
    },
  }) as UnreliableStorage;
}
