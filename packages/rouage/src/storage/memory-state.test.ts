import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChanges } from "./memory-changes.ts";
import { lengthOf } from "./memory-log.ts";
import { absorb, emptyState, fork, type MemoryState } from "./memory-state.ts";
import type { Change } from "./storage.ts";

const put = (resource: string, parent: string, id: string): Change => ({
  kind: "put",
  key: { resource, parent, id },
  body: "{}",
  expect: { kind: "any" },
});

function filled(): MemoryState {
  const state = emptyState();
  for (const resource of ["things", "others"]) {
    state.resources.set(resource, {
      definition: { resource, indexes: [], unique: [["n"]] },
      lists: new Map(),
      unique: [new Map()],
    });
  }
  applyChanges(state, [put("things", "", "a"), put("things", "/p", "b"), put("others", "", "c")], {}, 1);
  return state;
}

const listOf = (state: MemoryState, resource: string, parent: string) =>
  state.resources.get(resource)?.lists.get(parent);

test("a fork puts layers over what it writes to, once, and over nothing else", () => {
  const state = filled();
  const own = fork(state);
  applyChanges(own, [put("things", "", "d")], {}, 2);
  const copy = listOf(own, "things", "");
  applyChanges(own, [put("things", "", "e")], {}, 2);
  assert.equal(listOf(own, "things", ""), copy);
  assert.notEqual(copy, listOf(state, "things", ""));
  assert.equal(listOf(own, "things", "/p"), listOf(state, "things", "/p"));
  assert.equal(own.resources.get("others"), state.resources.get("others"));
  assert.deepEqual([copy?.entries.size, listOf(state, "things", "")?.entries.size], [3, 1]);
  assert.deepEqual([lengthOf(own.log), lengthOf(state.log)], [5, 3]);
});

test("a fork that only reads lays nothing over anything", () => {
  const state = filled();
  const own = fork(state);
  assert.equal(own.resources.get("things"), state.resources.get("things"));
});

test("what was absorbed is in the lists that were there, and written without layers", () => {
  const state = filled();
  const before = [listOf(state, "things", ""), listOf(state, "things", "/p")];
  const own = fork(state);
  applyChanges(own, [put("things", "", "d")], {}, 2);
  const part = fork(own);
  applyChanges(part, [put("things", "", "e"), put("things", "/p", "f"), put("things", "/new", "g")], {}, 2);
  absorb(own, part);
  assert.deepEqual([before[0]?.entries.size, before[1]?.entries.size], [1, 1]);
  absorb(state, own);
  assert.deepEqual([listOf(state, "things", ""), listOf(state, "things", "/p")], before);
  assert.deepEqual([...(before[0]?.entries.keys() ?? [])].sort(), ["a", "d", "e"]);
  assert.ok(before[0]?.entries instanceof Map && listOf(state, "things", "/new")?.entries instanceof Map);
  assert.equal(before[1]?.entries.size, 2);
  assert.equal(lengthOf(state.log), 7);
});
