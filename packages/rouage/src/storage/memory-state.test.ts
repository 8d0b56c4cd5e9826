import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChanges } from "./memory-changes.ts";
import { emptyState, fork, type MemoryState, merged } from "./memory-state.ts";
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

test("a fork copies what it writes to, once, and nothing else", () => {
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
  assert.deepEqual([own.log.entries.length, state.log.entries.length], [5, 3]);
});

test("a fork that only reads copies nothing, not even the log", () => {
  const state = filled();
  const own = fork(state);
  assert.equal(own.log.entries, state.log.entries);
  assert.equal(own.resources.get("things"), state.resources.get("things"));
});

test("what was merged is written without further copies", () => {
  const own = fork(filled());
  applyChanges(own, [put("things", "", "d")], {}, 2);
  const state = merged(own);
  const list = listOf(state, "things", "/p");
  applyChanges(state, [put("things", "/p", "f")], {}, 3);
  assert.equal(listOf(state, "things", "/p"), list);
  assert.equal(list?.entries.size, 2);
});
