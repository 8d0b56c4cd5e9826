/** Pages while others write: what nobody touches is in them once, whatever else happens, in every order and by each way to ask. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isSlow, testStorages } from "../../../scripts/test-stores.ts";
import { type Answer, type Ask, kintoTest } from "./support/running.ts";

const as = "alice";

/** A third of them where the server for tests is slow. */
const runs = (usual: number): number => (testStorages.some(isSlow) ? Math.ceil(usual / 3) : usual);

interface Item {
  readonly id: string;
  readonly last_modified: number;
  readonly deleted?: boolean;
}

interface Write {
  readonly kind: "create" | "change" | "rank" | "delete" | "again";
  readonly target: number;
}

/** Half of the objects are left alone; the others are written while the pages are read. */
const untouched = Array.from({ length: 12 }, (_, n) => `kept${n}`);
const touched = Array.from({ length: 8 }, (_, n) => `moving${n}`);

const write = fc.record<Write>({
  kind: fc.constantFrom("create", "change", "rank", "delete", "again"),
  target: fc.nat(touched.length - 1),
});
/** What is written while each page is read; the last goes on for further pages. */
const writes = fc.array(fc.array(write, { maxLength: 4 }), { minLength: 1, maxLength: 6 });
const order = fc.constantFrom("", "last_modified", "-last_modified", "rank", "-rank,id", "missing,-rank", "id", "-id");
const limit = fc.integer({ min: 1, max: 7 });

let round = 0;
async function filled(ask: Ask): Promise<string> {
  const records = `/buckets/b/collections/c${round++}/records`;
  await ask("PUT", records.replace(/\/records$/, ""), { as, body: {} });
  const requests = [...untouched, ...touched].map((id, n) => ({
    path: `${records}/${id}`,
    body: { data: { rank: (n * 7) % 5, ...(n % 3 === 0 && { missing: n }) } },
  }));
  const { body } = await ask("POST", "/batch", { as, body: { defaults: { method: "PUT" }, requests } });
  assert.ok(body.responses.every(({ status }: Answer) => status === 201));
  return records;
}

let created = 0;
async function perform(ask: Ask, records: string, { kind, target }: Write): Promise<void> {
  const path = `${records}/${touched[target]}`;
  const data = { rank: target % 5 };
  if (kind === "create") await ask("PUT", `${records}/new${created++}`, { as, body: { data } });
  if (kind === "change") await ask("PATCH", path, { as, body: { data: { note: created++ } } });
  if (kind === "rank") await ask("PATCH", path, { as, body: { data: { rank: created++ % 5 } } });
  if (kind === "delete") await ask("DELETE", path, { as });
  if (kind === "again") await ask("PUT", path, { as, body: { data } });
}

/** Reads all pages; while each is read, others write. */
async function pages(
  first: () => Promise<Answer>,
  follow: (next: string) => Promise<Answer>,
  meanwhile: (page: number) => Promise<unknown>,
): Promise<{ readonly items: readonly Item[]; readonly etag: string; readonly sizes: readonly number[] }> {
  const items: Item[] = [];
  const sizes: number[] = [];
  let [answer] = await Promise.all([first(), meanwhile(0)]);
  const etag = answer.headers.get("etag") ?? "";
  for (let page = 1; ; page++) {
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    items.push(...answer.body.data);
    sizes.push(answer.body.data.length);
    const next = answer.headers.get("next-page");
    if (next === null) return { items, etag, sizes };
    assert.ok(page < 1000, "pages end");
    [answer] = await Promise.all([follow(next.replace("http://kinto.test/v1", "")), meanwhile(page)]);
  }
}

function assertOnce(items: readonly Item[], expected: readonly string[]): void {
  const ids = items.map(({ id }) => id).filter((id) => expected.includes(id));
  assert.deepEqual(ids.sort(), [...expected].sort());
}

for (const method of ["GET", "QUERY"] as const)
  kintoTest(`pages of ${method} neither skip nor repeat while others write`, {}, async ({ ask }) => {
    await ask("PUT", "/buckets/b", { as, body: {} });
    await fc.assert(
      fc.asyncProperty(writes, order, limit, async (steps, sort, size) => {
        const records = await filled(ask);
        const meanwhile = (page: number) =>
          Promise.all((page < 12 ? (steps[page % steps.length] ?? []) : []).map((one) => perform(ask, records, one)));
        const body = method === "QUERY" ? { limit: size, ...(sort !== "" && { sort: sort.split(",") }) } : undefined;
        const query = method === "QUERY" ? "" : `?_limit=${size}${sort === "" ? "" : `&_sort=${sort}`}`;
        const { items, etag, sizes } = await pages(
          () => ask(method, records + query, { as, body }),
          (next) => ask(method, next, { as, body }),
          meanwhile,
        );
        assertOnce(items, untouched);
        assert.ok(
          sizes.slice(0, -1).every((count) => count === size),
          `pages before the last are full: ${sizes}`,
        );
        // The order by age moves what is written ahead of all pages: nothing can come twice.
        if (sort === "" || sort === "-last_modified")
          assert.equal(new Set(items.map(({ id }) => id)).size, items.length);
        const versions = items.map(({ id, last_modified }) => `${id} ${last_modified}`);
        assert.equal(new Set(versions).size, versions.length, "the same version never comes twice");
        await assertCaughtUp(ask, records, items, etag);
      }),
      { numRuns: runs(25) },
    );
  });

/** Pages, and what changed since the first of them, are the list as it is now: what synchronisation relies on. */
async function assertCaughtUp(ask: Ask, records: string, items: readonly Item[], etag: string): Promise<void> {
  const copy = new Map<string, number>();
  const changes: readonly Item[] = (await ask("GET", `${records}?_since=${etag}&_sort=last_modified`, { as })).body
    .data;
  const newest = [...items].sort((a, b) => a.last_modified - b.last_modified);
  for (const { id, last_modified, deleted } of [...newest, ...changes])
    if (deleted === true) copy.delete(id);
    else copy.set(id, last_modified);
  const now: readonly Item[] = (await ask("GET", `${records}?_limit=1000`, { as })).body.data;
  assert.deepEqual([...copy].sort(), now.map(({ id, last_modified }) => [id, last_modified] as const).sort());
}

kintoTest("pages of what is shared neither skip nor repeat while others write", {}, async ({ ask }) => {
  await ask("PUT", "/buckets/b", { as, body: {} });
  await fc.assert(
    fc.asyncProperty(writes, order, limit, async (steps, sort, size) => {
      const records = await filled(ask);
      const shared = untouched.filter((_, n) => n % 2 === 0);
      for (const id of [...shared, ...touched])
        await ask("PATCH", `${records}/${id}`, { as, body: { permissions: { read: ["system.Authenticated"] } } });
      const { items } = await pages(
        () => ask("GET", `${records}?_limit=${size}${sort === "" ? "" : `&_sort=${sort}`}`, { as: "bob" }),
        (next) => ask("GET", next, { as: "bob" }),
        (page) => Promise.all((steps[page] ?? []).map((one) => perform(ask, records, one))),
      );
      assertOnce(items, shared);
      const hidden = untouched.filter((id) => !shared.includes(id));
      assert.ok(items.every(({ id }) => !hidden.includes(id)));
    }),
    { numRuns: runs(15) },
  );
});

kintoTest("pages of a plural DELETE delete everything once while others write", {}, async ({ ask }) => {
  await ask("PUT", "/buckets/b", { as, body: {} });
  await fc.assert(
    fc.asyncProperty(writes, order, limit, async (steps, sort, size) => {
      const records = await filled(ask);
      const { items } = await pages(
        () => ask("DELETE", `${records}?_limit=${size}${sort === "" ? "" : `&_sort=${sort}`}`, { as }),
        (next) => ask("DELETE", next, { as }),
        (page) => Promise.all((steps[page] ?? []).map((one) => perform(ask, records, one))),
      );
      assertOnce(items, untouched);
      assert.ok(items.every(({ deleted }) => deleted === true));
      const versions = items.map(({ id, last_modified }) => `${id} ${last_modified}`);
      assert.equal(new Set(versions).size, versions.length);
      const left: readonly Item[] = (await ask("GET", records, { as })).body.data;
      assert.ok(left.every(({ id }) => !untouched.includes(id)));
      const tombstones: readonly Item[] = (await ask("GET", `${records}?_since=0&_limit=1000`, { as })).body.data;
      assertOnce(
        tombstones.filter(({ deleted }) => deleted),
        untouched,
      );
    }),
    { numRuns: runs(15) },
  );
});

kintoTest(
  "pages of /permissions and of the history neither skip nor repeat while others write",
  { includes: "kinto.plugins.history", experimental_permissions_endpoint: true },
  async ({ ask }) => {
    await ask("PUT", "/buckets/b", { as, body: {} });
    await fc.assert(
      fc.asyncProperty(writes, limit, async (steps, size) => {
        const records = await filled(ask);
        const collection = records.split("/")[4] ?? "";
        const meanwhile = (page: number) =>
          Promise.all((page < 12 ? (steps[page % steps.length] ?? []) : []).map((one) => perform(ask, records, one)));
        const permissions = await pages(
          () => ask("GET", `/permissions?_limit=${size}&collection_id=${collection}&resource_name=record`, { as }),
          (next) => ask("GET", next, { as }),
          meanwhile,
        );
        assertOnce(permissions.items, untouched);
        const history = await pages(
          () =>
            ask("GET", `/buckets/b/history?_limit=${size}&collection_id=${collection}&resource_name=record`, { as }),
          (next) => ask("GET", next, { as }),
          meanwhile,
        );
        const entries = history.items as readonly (Item & { readonly record_id: string })[];
        assertOnce(
          entries.map((entry) => ({ ...entry, id: entry.record_id })),
          untouched,
        );
        assert.equal(new Set(entries.map(({ id }) => id)).size, entries.length);
      }),
      { numRuns: 8 },
    );
  },
);
