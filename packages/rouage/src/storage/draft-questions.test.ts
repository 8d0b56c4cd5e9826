import assert from "node:assert/strict";
import { test } from "node:test";
import { gathered } from "./draft-questions.ts";
import type { Change, Expectation } from "./storage.ts";

test("an object whose id was made for it is not looked up, its list and its unique values are", () => {
  const put = (id: string, expect: Expectation): Change => ({
    kind: "put",
    key: { resource: "things", parent: "", id },
    body: '{"name":"x"}',
    expect,
  });
  const definition = { resource: "things", indexes: [], unique: [["name"]] };
  const changes = [put("named", { kind: "absent" }), put("made", { kind: "absent", isNew: true })];
  const { lists, keys, claims } = gathered([{ changes }], (name) => ({ name, definition }));
  assert.deepEqual(
    keys.get("things")?.map(({ id }) => id),
    ["named"],
  );
  assert.equal(lists.length, 1);
  assert.equal(claims[0]?.asked.length, 2);
});
