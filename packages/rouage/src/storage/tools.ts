/** `rouage/storage/tools`: what is done with whole stores, by commands and not by services, which need not load it. */
export { type BackupManifest, readManifest } from "./backup/manifest.ts";
export { afterPuttingBack, type PutBack, type PutBackOptions } from "./backup/put-back.ts";
export type { Staged } from "./backup/restore.ts";
export { type DumpLine, type DumpOptions, dumpLines } from "./dump.ts";
export { examineStore } from "./examine.ts";
export { LoadError, type Loaded, type LoadOptions, loadLines } from "./load.ts";
export type { Symptom } from "./symptom.ts";
export { type Verified, type VerifyOptions, verifyStorage } from "./verify/verify.ts";
