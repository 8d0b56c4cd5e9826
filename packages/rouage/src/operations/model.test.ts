/** Random histories of one list, against a model that is a plain Map: the operations answer and the list holds what the model says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { ServiceError } from "../errors.ts";
import { resource } from "../resource.ts";
import { everyone } from "./access.ts";
import type { Preconditions, ResourceOperations } from "./operations.ts";
import { ann, type Bench, bench } from "./testing.ts";

interface Data {
  readonly a?: number;
  readonly b?: string;
}

const things = resource("things", {
  schema: Type.Object({ a: Type.Optional(Type.Number()), b: Type.Optional(Type.String()) }),
  access: { write: [everyone] },
});

/** What the list should hold. Revisions are taken from the answers, their order is what is checked. */
interface Model {
  readonly objects: Map<string, { readonly data: Data; readonly revision: number }>;
  highest: number;
}

interface Real {
  readonly operations: ResourceOperations;
  readonly made: Bench;
}

type Condition = "none" | "match-current" | "match-old" | "match-any" | "none-match-any";

const ids = fc.constantFrom("x", "y", "z");
const conditions = fc.constantFrom<Condition>(
  "none",
  "none",
  "match-current",
  "match-old",
  "match-any",
  "none-match-any",
);
const someData = fc.record(
  { a: fc.integer(), b: fc.string({ maxLength: 5 }).filter((text) => text.isWellFormed() && !text.includes("\0")) },
  { requiredKeys: [] },
);

function preconditions(condition: Condition, current: number | undefined): Preconditions {
  switch (condition) {
    case "none":
      return {};
    case "match-current":
      return { ifMatch: current ?? 1 };
    case "match-old":
      return { ifMatch: 1 };
    case "match-any":
      return { ifMatch: "*" };
    case "none-match-any":
      return { ifNoneMatch: "*" };
  }
}

function holds(condition: Condition, current: number | undefined): boolean {
  if (condition === "none") return true;
  if (condition === "match-old") return false;
  return condition === "none-match-any" ? current === undefined : current !== undefined;
}

/** One command: what it does to both, and whether they agree. */
class Write implements fc.AsyncCommand<Model, Real> {
  readonly action: "create" | "replace" | "patch" | "delete";
  readonly id: string;
  readonly data: Data;
  readonly condition: Condition;

  constructor(action: Write["action"], id: string, data: Data, condition: Condition) {
    this.action = action;
    this.id = id;
    this.data = data;
    this.condition = condition;
  }

  check(): boolean {
    return true;
  }

  toString(): string {
    return `${this.action} ${this.id} ${JSON.stringify(this.data)} ${this.condition}`;
  }

  async run(model: Model, real: Real): Promise<void> {
    const before = model.objects.get(this.id);
    const expected = this.expected(model);
    const actual = await this.perform(real, before?.revision);
    assert.equal(actual.outcome, expected.outcome, this.toString());
    if (actual.revision !== undefined && expected.outcome !== "unchanged") {
      assert.ok(actual.revision > model.highest, "revisions strictly increase");
      model.highest = actual.revision;
    }
    if (expected.data === undefined) {
      if (expected.outcome === "deleted") model.objects.delete(this.id);
    } else if (expected.outcome !== "unchanged" && actual.revision !== undefined)
      model.objects.set(this.id, { data: expected.data, revision: actual.revision });
    await agree(model, real);
  }

  expected(model: Model): { readonly outcome: string; readonly data?: Data } {
    const before = model.objects.get(this.id);
    if (this.action === "delete" && before === undefined) return { outcome: "object-not-found" };
    if (!holds(this.condition, before?.revision)) return { outcome: "precondition-failed" };
    if (this.action === "create")
      return before === undefined ? { outcome: "created", data: this.data } : { outcome: "unchanged" };
    if (this.action === "replace") return { outcome: before === undefined ? "created" : "updated", data: this.data };
    if (before === undefined) return { outcome: "object-not-found" };
    if (this.action === "delete") return { outcome: "deleted" };
    const data = { ...before.data, ...this.data };
    const isSame = data.a === before.data.a && data.b === before.data.b;
    return isSame ? { outcome: "unchanged" } : { outcome: "updated", data };
  }

  async perform({ operations, made }: Real, current: number | undefined) {
    const context = made.as(ann);
    const target = { params: {}, id: this.id };
    const conditions = preconditions(this.condition, current);
    try {
      if (this.action === "delete") {
        const { revision } = await operations.delete(context, target, conditions);
        return { outcome: "deleted", revision };
      }
      const { kind, revision } =
        this.action === "create"
          ? await operations.create(context, { params: {} }, { ...conditions, data: { ...this.data, id: this.id } })
          : this.action === "replace"
            ? await operations.replace(context, target, { ...conditions, data: this.data })
            : await operations.patch(context, target, {
                ...conditions,
                patch: { kind: "merge", data: { ...this.data } },
              });
      return { outcome: kind, revision };
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      return { outcome: error.code, revision: undefined };
    }
  }
}

class Wait implements fc.AsyncCommand<Model, Real> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check(): boolean {
    return true;
  }
  toString(): string {
    return `wait ${this.ms}`;
  }
  async run(_: Model, { made }: Real): Promise<void> {
    // Also backwards: revisions must not depend on a clock that behaves.
    made.clock.advance(this.ms);
  }
}

async function agree(model: Model, { operations, made }: Real): Promise<void> {
  const page = await operations.list(made.as(ann), { params: {} }, { query: () => ({ total: true }) });
  assert.ok(page.kind === "page");
  const held = [...model.objects]
    .map(([id, { data, revision }]) => ({ id, last_modified: revision, ...data }))
    .sort((a, b) => b.last_modified - a.last_modified);
  assert.deepEqual(
    page.items.map((item) => JSON.parse(item)),
    held,
  );
  assert.equal(page.total, held.length);
  if (model.highest > 0) assert.equal(page.revision, model.highest);
}

test("any history of writes with preconditions leaves what the model says, under strictly increasing revisions", async () => {
  const write = (action: Write["action"]) =>
    fc.tuple(ids, someData, conditions).map(([id, data, condition]) => new Write(action, id, data, condition));
  const commands = [
    ...(["create", "replace", "patch", "delete"] as const).map(write),
    fc.integer({ min: -5000, max: 5000 }).map((ms) => new Wait(ms)),
  ];
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 25 }), async (history) => {
      const made = await bench([things]);
      const setup = () => ({
        model: { objects: new Map(), highest: 0 } satisfies Model,
        real: { operations: made.operations(things), made },
      });
      await fc.asyncModelRun(setup, history);
    }),
    { numRuns: 150 },
  );
});

test("whatever data is posted, the answer is an object or a ServiceError that is the client's fault", async () => {
  const made = await bench([things]);
  const operations = made.operations(things);
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(
      fc.constantFrom("a", "b", "id", "last_modified", "__proto__", "constructor", "deleted"),
      fc.jsonValue(),
    ),
    fc.anything(),
  );
  await fc.assert(
    fc.asyncProperty(anything, fc.constantFrom("merge", "merge-patch"), async (data, kind) => {
      await operations.replace(made.as(ann), { params: {}, id: "x" }, { data: { a: 1 } });
      const attempts = [
        () => operations.create(made.as(ann), { params: {} }, { data }),
        () => operations.replace(made.as(ann), { params: {}, id: "x" }, { data }),
        () => operations.patch(made.as(ann), { params: {}, id: "x" }, { patch: { kind, data } as never }),
      ];
      for (const attempt of attempts)
        await attempt().catch((error: unknown) => {
          assert.ok(ServiceError.is(error) && error.kind.status < 500, String(error));
        });
    }),
    { numRuns: 300 },
  );
});
