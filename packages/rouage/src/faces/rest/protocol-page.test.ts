import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { errorTable } from "../../errors.ts";
import { mostHeaders } from "../batch/payload.ts";
import { largestAnswer } from "../batch/sub-response.ts";
import { queryLimits } from "./list-conditions.ts";
import { deepestFilter } from "./list-query-body.ts";
import { longestUrl } from "./request-target.ts";

const pageOf = (name: string) => readFileSync(new URL(`../../../../../docs/${name}.md`, import.meta.url), "utf8");
const page = pageOf("protocol");

test("the protocol page lists exactly the errors of the table", () => {
  const rows = [...page.matchAll(/^\| (\d{3}) \| (\d{3}) \| `([a-z-]+)` \|/gm)].map(([, status, errno, name]) => ({
    name,
    status: Number(status),
    errno: Number(errno),
  }));
  const table = Object.entries(errorTable).map(([name, { status, errno }]) => ({ name, status, errno }));
  const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
    String(a.name).localeCompare(String(b.name));
  assert.deepEqual(rows.toSorted(byName), table.toSorted(byName));
});

test("the limits on the protocol page are those of the code", () => {
  assert.ok(page.includes(`| URL | ${longestUrl} characters`));
  const { filters, sorts, fields, values } = queryLimits;
  assert.ok(page.includes(`| filters, sort keys, projected fields | ${filters}, ${sorts}, ${fields} |`));
  assert.ok(page.includes(`| values of one filter | ${values} |`));
  assert.ok(pageOf("protocol/lists").includes(`Filters are nested at most ${deepestFilter} deep`));
  assert.ok(page.includes(`| answers of one batch together | ${largestAnswer / 1024 ** 2} Mi characters |`));
  assert.ok(page.includes(`| headers of a request in a batch | ${mostHeaders} |`));
});
