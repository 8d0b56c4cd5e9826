/** Codes sent by mail: six digits, fifteen minutes, five tries from one network and twenty in all, used once. Kept as a keyed hash, as six digits are soon guessed. */
import { randomInt } from "node:crypto";
import type { Clock } from "rouage";
import { equalText, keyedHash, networkOf } from "rouage/auth";
import { type Change, CommitConflict, type CommitContext, type ListDefinition, type Storage } from "rouage/storage";

export type CodePurpose = "verify" | "reset" | "email";

export interface Codes {
  /** A new code, and the change that stores it in place of an older one. */
  issue(
    account: string,
    purpose: CodePurpose,
  ): { readonly code: string; readonly change: Change; readonly expires: number };
  /**
   * Uses a code up, together with what it permits (`effect`, asked again when somebody was faster). False when it is wrong, too old, or tried too often; each
   * answer costs one try, exactly, however many arrive at once. Each network has its own tries, and all of them together a few more: a stranger who
   * burns theirs leaves the owner's.
   */
  redeem(
    account: string,
    purpose: CodePurpose,
    given: { readonly code: string; readonly from: string | undefined },
    effect: () => Promise<readonly Change[] | undefined>,
    context?: CommitContext,
  ): Promise<boolean>;
}

export const codeLifetimeMs = 15 * 60_000;
const triesFromOneNetwork = 5;
const triesInAll = 20;

/** One object for each purpose below each account. */
export const codeDefinition: ListDefinition = { resource: "code", indexes: [["expires"]], unique: [] };

export function codes(storage: Storage, hashKey: Uint8Array, clock: Clock): Codes {
  const hash = (account: string, purpose: CodePurpose, code: string) =>
    keyedHash(hashKey, `${account}\n${purpose}\n${code}`);
  const put = (account: string, purpose: CodePurpose, stored: StoredCode, expect: PutExpectation): Change => ({
    kind: "put",
    key: { resource: "code", parent: account, id: purpose },
    body: JSON.stringify(stored),
    expect,
    logBody: false,
  });

  async function redeem(...[account, purpose, given, effect, context]: Parameters<Codes["redeem"]>): Promise<boolean> {
    const { code, from } = given;
    const key = { resource: "code", parent: account, id: purpose };
    // An address is personal; its hash is short, and goes with the code.
    const network = from === undefined ? "" : keyedHash(hashKey, `network\n${networkOf(from)}`).slice(0, 8);
    for (;;) {
      const entry = await storage.get(key);
      const stored = entry?.kind === "object" ? (JSON.parse(entry.body) as StoredCode) : decoy;
      const right = equalText(stored.hash, hash(account, purpose, code));
      if (entry?.kind !== "object" || stored.expires <= clock.now() || isUsedUp(stored, network)) {
        // The same work as for a wrong code, so that time does not tell who waits for one.
        await storage.commit([put("", purpose, decoy, { kind: "any" })]);
        return false;
      }
      const expect = { kind: "revision", revision: entry.revision } as const;
      const effects = right ? await effect() : undefined;
      const changes: readonly Change[] =
        effects === undefined
          ? [put(account, purpose, { ...stored, tries: [...stored.tries, network] }, expect)]
          : [{ kind: "delete", key, expect }, ...effects];
      try {
        await storage.commit(changes, context);
        return effects !== undefined;
      } catch (error) {
        if (!(error instanceof CommitConflict)) throw error;
      }
    }
  }

  return {
    issue(account, purpose) {
      const code = String(randomInt(1_000_000)).padStart(6, "0");
      const expires = clock.now() + codeLifetimeMs;
      const stored = { hash: hash(account, purpose, code), expires, tries: [] };
      return { code, expires, change: put(account, purpose, stored, { kind: "any" }) };
    },
    redeem,
  };
}

interface StoredCode {
  readonly hash: string;
  readonly expires: number;
  /** Networks the wrong ones came from. */
  readonly tries: readonly string[];
}

const decoy: StoredCode = { hash: "", expires: 0, tries: [] };

function isUsedUp({ tries }: StoredCode, network: string): boolean {
  return tries.length >= triesInAll || tries.filter((from) => from === network).length >= triesFromOneNetwork;
}

type PutExpectation = Extract<Change, { kind: "put" }>["expect"];
