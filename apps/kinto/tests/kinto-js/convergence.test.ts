/** kinto.js 17: whatever several devices do while they are away and in whatever order they come back, in the end all have the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { testStorages } from "../../../../scripts/test-stores.ts";
import { deviceOf, type Item, syncStrategy } from "../support/kinto-js.ts";
import { withKinto } from "../support/running.ts";

const as = "alice";
const ids = Array.from({ length: 7 }, (_, n) => `00000000-0000-4000-8000-00000000000${n}`);
type Items = ReturnType<typeof deviceOf>["items"];

type Step =
  | { readonly kind: "write" | "delete"; readonly device: number; readonly id: number; readonly title: number }
  | { readonly kind: "fill"; readonly device: number; readonly count: number }
  | { readonly kind: "sync"; readonly device: number; readonly strategy: "SERVER_WINS" | "CLIENT_WINS" }
  | { readonly kind: "elsewhere"; readonly id: number };

const device = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("write", "delete"),
      device,
      id: fc.nat({ max: 6 }),
      title: fc.nat({ max: 99 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fill"), device, count: fc.integer({ min: 8, max: 30 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("sync"),
      device,
      strategy: fc.constantFrom("SERVER_WINS", "CLIENT_WINS"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("elsewhere"), id: fc.nat({ max: 6 }) }) },
) as fc.Arbitrary<Step>;

const sync = (items: Items, strategy: "SERVER_WINS" | "CLIENT_WINS") =>
  items.sync({ strategy: syncStrategy[strategy] });

/** Without what the client keeps of tombstones that won a conflict: `{id, deleted: true}`. */
const local = async (items: Items) =>
  (await items.list({ order: "id" })).data
    .filter((item) => !("deleted" in item))
    .map(({ id, title }) => ({ id, title }));

/** What was never sent is deleted for good: its mark of deletion would stay for ever, and hide what comes under its id. */
async function remove(items: Items, id: string): Promise<void> {
  const { data } = await items.getAny(id);
  if (data !== undefined) await items.delete(id, { virtual: data.last_modified !== undefined }).catch(() => {});
}

for (const storage of testStorages)
  test(`any history of three devices, in small batches and pages, ends with the same on all of them (${storage})`, async () => {
    const settings = { includes: "kinto.plugins.default_bucket", batch_max_requests: 4, paginate_by: 5 };
    await withKinto(storage, settings, async ({ remote, ask }) => {
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          // Each round is somebody else's.
          const own = `${as}${round++}`;
          const devices = [0, 1, 2].map(() => deviceOf(remote, own).items);
          const records = "/buckets/default/collections/items/records";
          for (const step of steps) {
            if (step.kind === "elsewhere") {
              await ask("DELETE", `${records}/${ids[step.id]}`, { as: own });
              continue;
            }
            const items = devices[step.device];
            assert.ok(items);
            if (step.kind === "sync") {
              const { errors } = await sync(items, step.strategy);
              assert.deepEqual(errors, []);
            } else if (step.kind === "fill") for (let n = 0; n < step.count; n++) await items.create({ title: `${n}` });
            else if (step.kind === "delete") await remove(items, ids[step.id] ?? "");
            else await items.upsert({ id: ids[step.id] ?? "", title: `${step.device}: ${step.title}` });
          }
          for (let time = 0; time < 2; time++) for (const items of devices) await sync(items, "CLIENT_WINS");
          for (const items of devices) {
            const result = await sync(items, "SERVER_WINS");
            assert.ok(result.ok);
          }
          const { data } = (await ask("GET", `${records}?_sort=id&_fields=title&_limit=5`, { as: own })).body;
          const seen: Item[] = [...data];
          while (seen.length % 5 === 0 && seen.length > 0) {
            const more = await ask("GET", `${records}?_sort=id&_fields=title&_limit=5&gt_id="${seen.at(-1)?.id}"`, {
              as: own,
            });
            if (more.body.data.length === 0) break;
            seen.push(...more.body.data);
          }
          const stored = seen.map(({ id, title }) => ({ id, title }));
          for (const items of devices) {
            assert.deepEqual(await local(items), stored);
            assert.deepEqual(await items.gatherLocalChanges(), []);
          }
        }),
        { numRuns: storage === "memory" ? 40 : 15, endOnFailure: false },
      );
    });
  });
