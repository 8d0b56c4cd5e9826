import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../telemetry/log.ts";
import { storageConformance } from "../conformance.ts";
import { sqliteStorage } from "./sqlite.ts";

storageConformance("sqlite", async ({ clock }) => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-sqlite-"));
  const options = { path: join(folder, "store.db"), clock, log: silentLogger };
  let storage = sqliteStorage(options);
  return {
    storage,
    async reopen() {
      await storage.close();
      storage = sqliteStorage(options);
      await storage.define([
        { resource: "things", indexes: [["n"]], unique: [] },
        { resource: "people", indexes: [], unique: [] },
      ]);
      return storage;
    },
    async cleanup() {
      await storage.close();
      await rm(folder, { recursive: true });
    },
  };
});
