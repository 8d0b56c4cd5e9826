/** Checks the whole audit of a store: for the command line, for operators, and for whoever does not want to believe. */
import type { JsonWebKeySet } from "rouage/auth";
import type { Storage } from "rouage/storage";
import { auditDefinitions } from "./audit/records.ts";
import { auditVerifier } from "./audit/signer.ts";
import { storedChain } from "./audit/store.ts";
import { type ChainReport, verifyChain } from "./audit/verify.ts";

/**
 * Reads the audit from its first entry to its last, also while the service appends to it.
 * @example const report = await verifyAudit(await openStorage("sqlite:data/access.db", { clock }), keys.jwks());
 */
export async function verifyAudit(storage: Storage, keys: JsonWebKeySet): Promise<ChainReport> {
  await storage.define(auditDefinitions);
  const verify = auditVerifier(keys);
  const report = await verifyChain(storedChain(storage), verify);
  // The service may be running: retention that removes a segment under the reader looks like a gap, but only once.
  return report.ok ? report : verifyChain(storedChain(storage), verify);
}
