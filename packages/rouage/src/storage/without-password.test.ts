import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutPassword } from "./without-password.ts";

test("user and password are hidden, also where the password was not written as a URL asks", () => {
  for (const password of ["s3cret", "s3@cret", "s3/cret", "s3?cret", "s3#cret", "s3:cret"]) {
    assert.equal(
      withoutPassword(`postgres://ann:${password}@db:5432/shop?pool=9`),
      "postgres://***@db:5432/shop?pool=9",
    );
  }
  assert.equal(withoutPassword("mongodb+srv://ann:s3cret@db"), "mongodb+srv://***@db");
});

test("what has no password stays as it is", () => {
  for (const url of ["memory:", "sqlite:data/a@b.db", "sqlite:///data/a@b.db", "postgres://db/shop"]) {
    assert.equal(withoutPassword(url), url);
  }
});
