/**
 * A service as one runs it in production: access token checked, access rules, ETag, a log line and metrics for each request, and
 * SQLite in a file, or the storage that a URL names. Fills its store, then tells the parent process its port, a token, some ids and how long filling took.
 * `node bench/servers/rouage.ts FOLDER OBJECTS [STORAGE]`
 */
import { randomUUIDv7 } from "node:crypto";
import { join } from "node:path";
import { Type } from "typebox";
import { bearer } from "../../packages/rouage/src/auth/bearer.ts";
import { openSigningKeys } from "../../packages/rouage/src/auth/keys.ts";
import { localJwks, tokenIssuer, tokenVerifier } from "../../packages/rouage/src/auth/tokens.ts";
import { systemClock } from "../../packages/rouage/src/clock.ts";
import { authenticated, owner, role } from "../../packages/rouage/src/operations/access.ts";
import { resource } from "../../packages/rouage/src/resource.ts";
import { serve } from "../../packages/rouage/src/runtime/run.ts";
import { service } from "../../packages/rouage/src/service.ts";
import { openStorage } from "../../packages/rouage/src/storage/open.ts";
import type { ListDefinition, Storage } from "../../packages/rouage/src/storage/storage.ts";
import { silentLogger } from "../../packages/rouage/src/telemetry/log.ts";
import { groups, kitten } from "../kitten.ts";

const [folder = "", wanted = "0", url = `sqlite:${join(folder, "kittens.db")}`] = process.argv.slice(2);
const creator = "account:bench";

const kittens = resource("kittens", {
  schema: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 256 }),
    group: Type.Integer({ minimum: 0 }),
    weight: Type.Number(),
    notes: Type.Optional(Type.String({ maxLength: 4096 })),
  }),
  indexes: [["group", "last_modified"]],
  pageSize: 50,
  access: { create: [authenticated], read: [role("reader"), owner], write: [owner] },
});

const keys = await openSigningKeys({ folder: join(folder, "keys"), purpose: "bench" });
const parties = { issuer: "https://bench.example", audience: "kittens" };
const verifier = tokenVerifier({ source: localJwks(() => keys.jwks()), ...parties });
const definition = service({
  name: "kittens",
  version: "1.0.0",
  resources: [kittens],
  authentication: [bearer({ verifier })],
});

const filling = performance.now();
const ids = await filled(Number(wanted));
const seconds = (performance.now() - filling) / 1000;
const running = await definition.start({ settings: { storage: url, port: 0 } });
const server = await serve(running);
const { token } = await tokenIssuer({ keys, ...parties }).issue(creator, { roles: ["reader"] });

process.on("disconnect", () => void server.stop());
process.send?.({ port: Number(new URL(server.origin).port), token, ids, seconds });

/** Objects made before the service opens its store, in large commits; the ids of some of them, spread over the whole. */
async function filled(objects: number): Promise<readonly string[]> {
  const storage: Storage = await openStorage(url, { clock: systemClock, log: silentLogger });
  const list: ListDefinition = { resource: "kittens", indexes: kittens.options.indexes as [string[]], unique: [] };
  await storage.define([list]);
  const some: string[] = [];
  const every = Math.max(1, Math.floor(objects / 1000));
  for (let made = 0; made < objects; ) {
    const changes = Array.from({ length: Math.min(500, objects - made) }, () => {
      const id = randomUUIDv7();
      if (made % every === 0 && some.length < 1000) some.push(id);
      const body = JSON.stringify(kitten(made % groups, made++));
      return {
        kind: "put",
        key: { resource: "kittens", parent: "", id },
        body,
        expect: { kind: "absent" },
        owner: creator,
      } as const;
    });
    await storage.commit(changes);
  }
  await storage.close();
  return some;
}
