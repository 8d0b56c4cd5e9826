import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { type AuthenticationPolicy, anonymous, silentLogger } from "rouage";
import readingList from "./reading-list.ts";

const anybody: AuthenticationPolicy = {
  name: "anybody",
  securityScheme: { type: "http", scheme: "bearer" },
  authenticate(request) {
    const user = request.header("authorization")?.slice("Bearer ".length);
    return user === undefined ? undefined : { ...anonymous, id: user, policy: "anybody" };
  },
};

async function started(t: TestContext) {
  const service = await readingList.start({
    settings: { storage: "memory:" },
    log: silentLogger,
    fallbackAuthentication: [anybody],
  });
  t.after(() => service.stop());
  return async (method: string, path: string, data?: object, user = "ann") => {
    const headers = { authorization: `Bearer ${user}`, "content-type": "application/json" };
    const body = data === undefined ? null : JSON.stringify({ data });
    const response = await service.fetch(new Request(`http://list/v1${path}`, { method, headers, body }));
    const answer = (await response.json()) as { data: Record<string, unknown>; errno?: number; details?: unknown };
    return { status: response.status, ...answer };
  };
}

const article = { url: "https://example.com/a", title: "A", added_by: "phone" };

describe("a reading list", () => {
  test("fills in what the device did not know", async (t) => {
    const call = await started(t);
    const { status, data } = await call("POST", "/articles", article);
    assert.equal(status, 201);
    const { id, last_modified, stored_on, ...rest } = data;
    assert.equal(typeof stored_on, "number");
    assert.deepEqual(rest, {
      ...article,
      resolved_url: article.url,
      resolved_title: "A",
      excerpt: "",
      is_article: true,
      favorite: false,
      archived: false,
      unread: true,
      read_position: 0,
      marked_read_by: null,
      marked_read_on: null,
    });
    assert.deepEqual((await call("GET", `/articles/${id}`)).data, data);
    assert.ok(Number(last_modified) > 0);
  });

  test("answers the article that is there when its address is added again", async (t) => {
    const call = await started(t);
    const first = await call("POST", "/articles", article);
    const again = await call("POST", "/articles", { ...article, title: "Other", added_by: "laptop" });
    assert.deepEqual([again.status, again.data], [200, first.data]);
  });

  test("refuses an address that another article has already", async (t) => {
    const call = await started(t);
    await call("POST", "/articles", article);
    const other = await call("POST", "/articles", { ...article, url: "https://example.com/b" });
    const { status, errno } = await call("PATCH", `/articles/${other.data.id}`, { resolved_url: article.url });
    assert.deepEqual([status, errno], [409, 122]);
  });

  test("belongs to one user: the same address may be in several lists", async (t) => {
    const call = await started(t);
    await call("POST", "/articles", article);
    assert.equal((await call("POST", "/articles", article, "bob")).status, 201);
    assert.equal((await call("GET", "/articles", undefined, "bob")).data.length, 1);
  });

  test("wants to know where and when an article was read, and forgets both when it is unread again", async (t) => {
    const call = await started(t);
    const { data } = await call("POST", "/articles", article);
    const path = `/articles/${data.id}`;
    assert.equal((await call("PATCH", path, { unread: false })).status, 400);
    const read = { unread: false, marked_read_by: "laptop", marked_read_on: 5, read_position: 40 };
    assert.equal((await call("PATCH", path, read)).data.read_position, 40);
    const again = (await call("PATCH", path, { unread: true })).data;
    assert.deepEqual([again.marked_read_by, again.marked_read_on, again.read_position], [null, null, 0]);
  });

  test("does not let an article be replaced or said to come from another device", async (t) => {
    const call = await started(t);
    const { data } = await call("POST", "/articles", article);
    assert.equal((await call("PUT", `/articles/${data.id}`, article)).status, 405);
    assert.equal((await call("PATCH", `/articles/${data.id}`, { added_by: "laptop" })).status, 400);
  });

  test("names everything that is wrong", async (t) => {
    const call = await started(t);
    const { status, details } = await call("POST", "/articles", { url: "ftp://x", word_count: -1 });
    assert.equal(status, 400);
    assert.deepEqual(
      (details as { name: string }[]).map(({ name }) => name),
      ["added_by", "title", "url", "word_count"],
    );
  });

  test("shows a read position that never goes back, whatever devices send", async (t) => {
    const call = await started(t);
    await fc.assert(
      fc.asyncProperty(fc.webUrl(), fc.array(fc.nat(1000), { maxLength: 8 }), async (url, positions) => {
        const { data } = await call("POST", "/articles", { ...article, url });
        let highest = Number(data.read_position);
        for (const read_position of positions) {
          highest = Math.max(highest, read_position);
          assert.equal((await call("PATCH", `/articles/${data.id}`, { read_position })).data.read_position, highest);
        }
      }),
      { numRuns: 25 },
    );
  });
});
