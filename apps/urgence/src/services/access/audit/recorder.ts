/**
 * Records an access before its data leaves: in the chain, or, for a responder whose store is failing, in the signed spool. Where
 * neither takes it, nothing may be shown.
 */
import { type Logger, ServiceError } from "rouage";
import { within } from "../within.ts";
import type { AuditChain } from "./chain.ts";
import type { AuditDraft } from "./entry.ts";
import type { AuditSpool } from "./spool.ts";

export interface Recorder {
  /**
   * Resolves when the access is on record.
   * @throws ServiceError `unavailable` when it cannot be
   */
  record(draft: AuditDraft): Promise<void>;
  /** Moves what waits in the spool into the chain; does nothing while the store fails. */
  drain(): Promise<void>;
}

export interface RecorderOptions {
  readonly chain: AuditChain;
  readonly spool: AuditSpool;
  /** True when this access has a record already: it was spooled after a commit whose answer was lost. */
  readonly recorded: (audit: string) => Promise<boolean>;
  readonly log: Logger;
  /** How long a responder waits for the store before the spool takes the entry. */
  readonly timeoutMs: number;
}

export function recorder({ chain, spool, recorded, log, timeoutMs }: RecorderOptions): Recorder {
  return {
    async record(draft) {
      // Levels 0 and 1 can wait for a working store, an emergency cannot.
      const urgent = draft.level >= 2;
      try {
        await (urgent ? within(chain.append(draft), timeoutMs) : chain.append(draft));
      } catch (cause) {
        if (!urgent) throw new ServiceError("unavailable", { cause });
        log.error({ audit: draft.audit, error: String(cause) }, "the audit store failed, the spool takes the entry");
        try {
          await spool.append({ ...draft, spooled: true });
        } catch (spoolCause) {
          throw new ServiceError("unavailable", { cause: spoolCause });
        }
      }
    },
    async drain() {
      if (!spool.waiting()) return;
      try {
        const { drained, rejected } = await spool.drain(async (draft) => {
          // In turn behind what is still under way: a commit that was only slow has made its record by then.
          if (!(await chain.exclusive(() => recorded(draft.audit)))) await chain.append(draft);
        });
        log.info({ drained }, "the audit spool was moved into the chain");
        if (rejected > 0) log.error({ rejected }, "lines of the audit spool were altered, their file was kept");
      } catch (error) {
        log.warn({ error: String(error) }, "the audit spool waits, the store still fails");
      }
    },
  };
}
