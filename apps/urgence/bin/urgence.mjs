#!/usr/bin/env node
/** Where Urgence starts. */
import { quickStart } from "../../../scripts/quick-start.mjs";

quickStart("urgence");

await import("../src/main.ts");

// Loading leaves as much garbage as Urgence needs at rest; a service that waits gives it back (with `node --expose-gc`).
setTimeout(() => globalThis.gc?.({ type: "major", execution: "async", flavor: "last-resort" }), 1000).unref();
