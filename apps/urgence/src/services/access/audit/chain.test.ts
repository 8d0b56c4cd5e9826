import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import fc from "fast-check";
import { type ManualClock, manualClock } from "rouage";
import type { Storage } from "rouage/storage";
import { anyStorage, type StorageKind, testStorages } from "../../../../../../scripts/test-stores.ts";
import { draft, openTestStorage, testKeys } from "../testing.ts";
import { type AuditChain, auditChain } from "./chain.ts";
import { type AuditEntry, entryId, genesis, sealed } from "./entry.ts";
import { type ArchivedSegment, auditDefinitions, auditLists, type ChainHead, type DayRoot } from "./records.ts";
import { archiveBefore, sealDays } from "./seal.ts";
import { auditSigner, auditVerifier } from "./signer.ts";
import { storedChain } from "./store.ts";
import { subjects } from "./subjects.ts";
import { type ChainSource, verifyChain } from "./verify.ts";

const keys = testKeys();
const sign = auditSigner(keys);
const verify = auditVerifier(keys.jwks());
const day = 24 * 3_600_000;

interface Copy {
  entries: { id: string; entry: AuditEntry | undefined }[];
  roots: DayRoot[];
  segments: ArchivedSegment[];
  head: ChainHead | undefined;
}

async function copyOf(source: ChainSource): Promise<Copy> {
  return {
    entries: await Array.fromAsync(source.entries()),
    roots: await Array.fromAsync(source.roots()),
    segments: await Array.fromAsync(source.segments()),
    head: await source.head(),
  };
}

function sourceOf({ entries, roots, segments, head }: Copy): ChainSource {
  return {
    async *entries() {
      yield* entries;
    },
    async *roots() {
      yield* roots;
    },
    async *segments() {
      yield* segments;
    },
    head: async () => head,
  };
}

function makeChain(storage: Storage, clock: ManualClock): AuditChain {
  return auditChain({ storage, subjects: subjects(storage, Buffer.from("key")), sign, clock });
}

async function setUp(kind: StorageKind) {
  const clock = manualClock(Date.UTC(2026, 5, 1, 12));
  const opened = await openTestStorage(kind, clock);
  const { storage } = opened;
  await storage.define(auditDefinitions);
  const chain = makeChain(storage, clock);
  return {
    storage,
    chain,
    clock,
    seal: { storage, sign, clock },
    report: () => verifyChain(storedChain(storage), verify),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

for (const kind of testStorages)
  describe(`the audit chain on ${kind}`, () => {
    test("links each entry to the one before and verifies", async () => {
      await using context = await setUp(kind);
      const first = await context.chain.append(draft(1));
      const second = await context.chain.append(draft(2));
      assert.equal(first.previous, genesis);
      assert.equal(second.previous, first.hash);
      assert.deepEqual(await context.report(), {
        ok: true,
        entries: 2,
        archived: 0,
        roots: 0,
        unsealed: 2,
        broken: undefined,
        problems: [],
        problemCount: 0,
      });
    });

    test("verifies when it is empty", async () => {
      await using context = await setUp(kind);
      assert.ok((await context.report()).ok);
    });

    test("names the person by a pseudonym only, and keeps the responder's words beside the chain", async () => {
      await using context = await setUp(kind);
      await context.chain.append(draft(1, { note: "found on the street" }));
      const [row] = await Array.fromAsync(storedChain(context.storage).entries());
      const text = JSON.stringify(row);
      assert.ok(!text.includes("person-") && !text.includes("street"), text);
      assert.match(row?.entry?.note_hash ?? "", /^[0-9a-f]{64}$/);
    });

    test("writes the event in the same commit, below the pseudonym, and only when data was shown", async () => {
      await using context = await setUp(kind);
      const { subject } = await context.chain.append(draft(1));
      await context.chain.append(draft(2, { outcome: "second-fact-wrong" }));
      const log = await Array.fromAsync(context.storage.log({ resources: [auditLists.events] }));
      assert.deepEqual(
        log.map(({ type, parent, id, body }) => [type, parent, id, JSON.parse(body ?? "{}").person]),
        [["profile.accessed", subject, "audit-1", "person-1"]],
      );
    });

    test("does not fork under 64 parallel appends of two processes", async () => {
      await using context = await setUp(kind);
      const chains = [context.chain, makeChain(context.storage, context.clock)];
      const entries = await Promise.all(
        Array.from({ length: 64 }, (_, index) => chains[index % 2]?.append(draft(index))),
      );
      assert.equal(new Set(entries.map((entry) => entry?.seq)).size, 64);
      assert.equal(new Set(entries.map((entry) => entry?.previous)).size, 64);
      const report = await context.report();
      assert.deepEqual([report.ok, report.entries], [true, 64]);
    });

    test("writes nothing more under a pseudonym whose link another process has erased", async () => {
      await using context = await setUp(kind);
      await context.chain.append(draft(1));
      // Remembered from the second time on.
      const before = await context.chain.append(draft(4));
      const other = subjects(context.storage, Buffer.from("key"));
      assert.equal(await other.find("person-1"), before.subject);
      await context.storage.erase([other.key("person-1")]);
      const after = await context.chain.append(draft(7));
      assert.equal(after.seq, 3);
      assert.notEqual(after.subject, before.subject);
      assert.ok((await context.report()).ok);
    });

    test("gives one person one pseudonym, also when two processes meet her first at once", async () => {
      await using context = await setUp(kind);
      const chains = [context.chain, makeChain(context.storage, context.clock)];
      const [a, b] = await Promise.all(chains.map((chain, index) => chain.append(draft(index, { person: "new" }))));
      assert.ok(a?.subject !== undefined && a.subject === b?.subject);
    });

    test("verifies while entries are appended", async () => {
      await using context = await setUp(kind);
      let appended = 0;
      const more = async () => void (await context.chain.append(draft(++appended)));
      await more();
      const source = storedChain(context.storage);
      // New entries arrive after the head is read, between the entries, and before the head is read again.
      const busy: ChainSource = {
        ...source,
        async head() {
          await more();
          const head = await source.head();
          await more();
          return head;
        },
        async *entries() {
          for await (const entry of source.entries()) {
            yield entry;
            if (appended < 10) await more();
          }
          await more();
        },
      };
      const report = await verifyChain(busy, verify);
      assert.deepEqual(report.problems, []);
      assert.ok(report.entries >= 3 && report.entries < appended);
    });

    test("signs a root for each finished day, once", async () => {
      await using context = await setUp(kind);
      await context.chain.append(draft(1));
      assert.equal(await sealDays(context.seal), 0, "today is not finished");
      context.clock.advance(day);
      await context.chain.append(draft(2));
      context.clock.advance(3 * day);
      assert.equal(await sealDays(context.seal), 2);
      assert.equal(await sealDays(context.seal), 0);
      await context.chain.append(draft(3));
      const report = await context.report();
      assert.deepEqual([report.ok, report.roots, report.unsealed], [true, 2, 1]);
    });

    test("verifies after retention has removed whole days, and goes on from there", async () => {
      await using context = await setUp(kind);
      for (let number = 0; number < 40; number++) {
        await context.chain.append(draft(number, { note: `note-${number}` }));
        if (number % 10 === 9) context.clock.advance(day);
      }
      await sealDays(context.seal);
      assert.equal(
        await archiveBefore(context.seal, Date.UTC(2026, 5, 2, 12)),
        10,
        "a day not over at the limit stays",
      );
      const report = await context.report();
      assert.deepEqual([report.ok, report.archived, report.entries], [true, 10, 30]);
      assert.equal(await archiveBefore(context.seal, Date.UTC(2026, 5, 2, 12)), 0);
      assert.equal((await context.chain.append(draft(41))).seq, 41);
      assert.equal(await archiveBefore(context.seal, Date.UTC(2026, 5, 4)), 20, "a second segment continues the first");
      assert.ok((await context.report()).ok);
      const notes = await Array.fromAsync(context.storage.scan(auditLists.notes));
      assert.equal(notes.length, 10, "the notes of archived entries are gone");
    });

    test("verifies when a stop came between archiving and removing", async () => {
      await using context = await setUp(kind);
      await context.chain.append(draft(1));
      await context.chain.append(draft(2));
      const before = await copyOf(storedChain(context.storage));
      context.clock.advance(day);
      await sealDays(context.seal);
      await archiveBefore(context.seal, context.clock.now());
      const copy = await copyOf(storedChain(context.storage));
      assert.equal(copy.entries.length, 0);
      copy.entries.push(...before.entries);
      assert.ok((await verifyChain(sourceOf(copy), verify)).ok);
    });
  });

describe("an altered chain", () => {
  const clock = manualClock(Date.UTC(2026, 5, 1, 12));
  let copy: Copy;
  before(async () => {
    await using opened = await openTestStorage(anyStorage, clock);
    await opened.storage.define(auditDefinitions);
    const chain = makeChain(opened.storage, clock);
    for (let index = 0; index < 24; index++) {
      await chain.append(draft(index));
      if (index % 6 === 5) clock.advance(day);
    }
    const options = { storage: opened.storage, sign, clock };
    clock.advance(-day);
    await sealDays(options);
    await archiveBefore(options, Date.UTC(2026, 5, 2));
    copy = await copyOf(storedChain(opened.storage));
    assert.deepEqual([copy.entries.length, copy.roots.length, copy.segments.length], [18, 3, 1]);
  });

  const index = () => fc.nat(17);
  const report = (altered: Copy) => verifyChain(sourceOf(altered), verify);
  const fresh = () => structuredClone(copy);

  test("as it was, it verifies", async () => assert.ok((await report(fresh())).ok));

  test("shows any change of any field of any entry, at its position", async () => {
    const fields = [
      "actor",
      "role",
      "site",
      "subject",
      "reason",
      "incident",
      "at",
      "recorded",
      "level",
      "outcome",
      "sections",
    ] as const;
    await fc.assert(
      fc.asyncProperty(index(), fc.constantFrom(...fields), fc.jsonValue(), async (at, field, value) => {
        const altered = fresh();
        const row = altered.entries[at];
        fc.pre(row?.entry !== undefined && JSON.stringify(row.entry[field]) !== JSON.stringify(value));
        if (row?.entry === undefined) return;
        const position = row.entry.seq;
        row.entry = { ...row.entry, [field]: value };
        const { ok, broken } = await report(altered);
        assert.equal(ok, false);
        assert.equal(broken, position);
      }),
    );
  });

  test("shows a change whose hash was made anew", async () => {
    await fc.assert(
      fc.asyncProperty(index(), async (at) => {
        const altered = fresh();
        const row = altered.entries[at];
        if (row?.entry === undefined) return assert.fail();
        const { hash: _, ...entry } = row.entry;
        row.entry = sealed({ ...entry, actor: "somebody-else" });
        assert.equal((await report(altered)).ok, false);
      }),
    );
  });

  test("shows a chain rewritten from any position to its end, because roots and head are signed", async () => {
    await fc.assert(
      fc.asyncProperty(index(), async (at) => {
        const altered = fresh();
        let previous = altered.entries[at - 1]?.entry?.hash ?? altered.segments[0]?.hash ?? genesis;
        for (const row of altered.entries.slice(at)) {
          if (row.entry === undefined) return assert.fail();
          const { hash: _, ...entry } = row.entry;
          row.entry = sealed({ ...entry, actor: "somebody-else", previous });
          previous = row.entry.hash;
        }
        if (altered.head !== undefined) altered.head = { ...altered.head, hash: previous };
        assert.equal((await report(altered)).ok, false);
      }),
    );
  });

  test("shows the removal of any run of entries, also at the end", async () => {
    await fc.assert(
      fc.asyncProperty(index(), fc.integer({ min: 1, max: 18 }), async (at, count) => {
        const altered = fresh();
        altered.entries.splice(at, count);
        assert.equal((await report(altered)).ok, false);
      }),
    );
  });

  test("shows two entries that changed places", async () => {
    await fc.assert(
      fc.asyncProperty(index(), index(), fc.boolean(), async (a, b, withIds) => {
        fc.pre(a !== b);
        const altered = fresh();
        const [first, second] = [altered.entries[a], altered.entries[b]];
        if (first === undefined || second === undefined) return assert.fail();
        altered.entries[a] = withIds ? second : { id: first.id, entry: second.entry };
        altered.entries[b] = withIds ? first : { id: second.id, entry: first.entry };
        assert.equal((await report(altered)).ok, false);
      }),
    );
  });

  test("shows an entry that was repeated or put in between", async () => {
    await fc.assert(
      fc.asyncProperty(index(), index(), async (from, to) => {
        const altered = fresh();
        const row = altered.entries[from];
        if (row === undefined) return assert.fail();
        altered.entries.splice(to, 0, structuredClone(row));
        assert.equal((await report(altered)).ok, false);
      }),
    );
  });

  test("shows an altered or removed root, segment or head", async () => {
    const alterations: ((altered: Copy) => void)[] = [
      (altered) => void altered.roots.splice(1, 1),
      (altered) => void altered.roots.splice(0, 1),
      (altered) => void altered.segments.pop(),
      (altered) => {
        altered.head = undefined;
      },
      (altered) => {
        const last = altered.entries.at(-1)?.entry;
        const { hash: previous = genesis, ...entry } = last ?? assert.fail();
        const more = sealed({ ...entry, seq: entry.seq + 1, previous });
        altered.entries.push({ id: entryId(more.seq), entry: more });
      },
      (altered) => {
        altered.roots[1] = { ...(altered.roots[1] as DayRoot), hash: genesis };
      },
      (altered) => {
        altered.roots[2] = { ...(altered.roots[2] as DayRoot), last: 17 };
      },
      (altered) => {
        altered.segments[0] = { ...(altered.segments[0] as ArchivedSegment), to: 7 };
      },
      (altered) => {
        altered.head = { ...(altered.head as ChainHead), seq: 23 };
      },
      (altered) => {
        altered.entries[3] = { id: entryId(10), entry: undefined };
      },
      (altered) => {
        altered.entries[3] = { id: entryId(10), entry: {} as AuditEntry };
      },
    ];
    for (const [number, alter] of alterations.entries()) {
      const altered = fresh();
      alter(altered);
      assert.equal((await report(altered)).ok, false, `alteration ${number}`);
    }
  });

  test("is not accepted with another's keys", async () => {
    const stranger = auditVerifier(testKeys("k1").jwks());
    const { problems } = await verifyChain(sourceOf(fresh()), stranger);
    assert.deepEqual([...new Set(problems.map(({ kind }) => kind))], ["segment", "root", "head"]);
  });

  test("never makes the verification throw, and reports are bounded", async () => {
    const altered = fresh();
    altered.entries = Array.from({ length: 500 }, () => ({ id: "x", entry: undefined }));
    const { problems, problemCount } = await report(altered);
    assert.equal(problems.length, 100);
    assert.ok(problemCount >= 500);
  });
});
