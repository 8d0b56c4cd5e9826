import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { selectPage } from "./select-page.ts";

const byName = [{ field: "name", direction: "ascending" }] as const;

test("pages that follow each other show every match once, in order, whatever the size of a page", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.record({ name: fc.string(), n: fc.integer({ min: 0, max: 3 }) }), {
        selector: ({ name }) => name,
        maxLength: 40,
      }),
      fc.integer({ min: 1, max: 7 }),
      fc.boolean(),
      async (objects, limit, descending) => {
        const sort = [{ field: "n", direction: descending ? "descending" : "ascending" } as const, ...byName];
        const filter = { kind: "compare", field: "n", operator: "ge", value: 1 } as const;
        const seen: unknown[] = [];
        for (
          let after: Awaited<ReturnType<typeof selectPage>>["next"] | undefined, first = true;
          first || after !== undefined;
          first = false
        ) {
          const page = await selectPage(objects, { filter, sort, limit, after });
          assert.equal(page.total, objects.filter(({ n }) => n >= 1).length);
          assert.ok(page.objects.length <= limit);
          seen.push(...page.objects.map(({ name }) => name));
          after = page.next;
        }
        const all = await selectPage(objects, { filter, sort, limit: 1000 });
        assert.deepEqual(
          seen,
          all.objects.map(({ name }) => name),
        );
      },
    ),
  );
});

test("reading ends when nobody waits any more", async () => {
  const controller = new AbortController();
  let read = 0;
  function* endless() {
    while (true) {
      if (++read === 2500) controller.abort(new Error("gone"));
      yield { name: String(read) };
    }
  }
  await assert.rejects(selectPage(endless(), { sort: byName, limit: 5, signal: controller.signal }), /gone/);
  assert.ok(read < 4000);
});
