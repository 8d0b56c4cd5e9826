#!/usr/bin/env node
/**
 * Where the Kinto application starts. Plain JavaScript, because what it does has to happen before the first TypeScript file is loaded: compiled code is
 * kept from start to start, in a folder that only who installed it may write to. Later starts then take half the time.
 */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "../../../node_modules/.cache/kinto"));

await import("../src/main.ts");
