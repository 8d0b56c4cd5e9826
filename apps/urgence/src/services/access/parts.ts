/** The parts of the access service, made once its store is open. */
import type { ServiceContext } from "rouage";
import type { SigningKeys } from "rouage/auth";
import type { ServiceCall } from "../../shared/client.ts";
import { type AuditChain, auditChain } from "./audit/chain.ts";
import { type Recorder, recorder } from "./audit/recorder.ts";
import { auditDefinitions, auditLists } from "./audit/records.ts";
import { archiveBefore, sealDays } from "./audit/seal.ts";
import { auditSigner, auditVerifier } from "./audit/signer.ts";
import { type AuditSpool, openSpool } from "./audit/spool.ts";
import { type Subjects, subjects } from "./audit/subjects.ts";
import { type Budget, budget } from "./budget.ts";

export interface AccessOptions {
  readonly call: ServiceCall;
  /** Key of the hashes by which people are found; the accounts service has the same. */
  readonly phoneHashKey: Uint8Array;
  /** Key of the hashes by which this service finds a person's pseudonym. */
  readonly subjectKey: Uint8Array;
  /** Keys that sign roots, head and spool. Old ones must keep verifying: rotate them with `keepMs: Infinity`. */
  readonly auditKeys: SigningKeys;
  /** Folder of the spool, made with mode 0700. */
  readonly spoolFolder: string;
  /** Country of numbers in national form. Default `FR`. */
  readonly country?: string;
  /** Default 60. */
  readonly lookupsPerResponderHour?: number;
  /** Default 600. */
  readonly lookupsPerSiteHour?: number;
  /** Default 365. */
  readonly retentionDays?: number;
  /** How long a responder waits for the audit's store before the spool takes the entry. Default 2000. */
  readonly auditTimeoutMs?: number;
}

export interface AccessParts {
  readonly chain: AuditChain;
  readonly subjects: Subjects;
  readonly spool: AuditSpool;
  readonly recorder: Recorder;
  readonly budget: Budget;
  /** Signs finished days and removes what retention says. */
  maintain(): Promise<{ readonly sealed: number; readonly archived: number }>;
}

export async function accessParts(options: AccessOptions, context: ServiceContext): Promise<AccessParts> {
  const { storage, cache, clock, log } = context;
  const { auditKeys, lookupsPerResponderHour = 60, lookupsPerSiteHour = 600, retentionDays = 365 } = options;
  const timeoutMs = options.auditTimeoutMs ?? 2000;
  await storage.define(auditDefinitions);
  const sign = auditSigner(auditKeys);
  const known = subjects(storage, options.subjectKey);
  const chain = auditChain({ storage, subjects: known, sign, clock });
  const verify = auditVerifier(auditKeys.jwks());
  const spool = await openSpool({ folder: options.spoolFolder, sign, verify });
  const recorded = async (audit: string) =>
    (await storage.count(
      { resource: auditLists.entries, parent: "" },
      { kind: "compare", field: "audit", operator: "eq", value: audit },
    )) > 0;
  const seal = { storage, sign, clock };
  return {
    chain,
    subjects: known,
    spool,
    recorder: recorder({ chain, spool, recorded, log, timeoutMs }),
    budget: budget({
      ...{ storage, cache, clock, log },
      responderPerHour: lookupsPerResponderHour,
      sitePerHour: lookupsPerSiteHour,
      timeoutMs,
    }),
    async maintain() {
      const sealed = await sealDays(seal);
      return { sealed, archived: await archiveBefore(seal, clock.now() - retentionDays * 24 * 3_600_000) };
    },
  };
}
