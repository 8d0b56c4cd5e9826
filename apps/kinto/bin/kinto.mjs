#!/usr/bin/env node
/** Where the Kinto application starts. */
import { quickStart } from "../../../scripts/quick-start.mjs";

quickStart("kinto");

await import("../src/main.ts");
