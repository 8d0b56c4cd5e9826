import assert from "node:assert/strict";
import { test } from "node:test";
import { envelopeWriter } from "./envelope.ts";

test("permissions that can change are shown as they are each time, those that cannot are rendered once", () => {
  const enveloped = envelopeWriter();
  const names = ["a"];
  const open = { write: names };
  const shallow = Object.freeze({ read: names });
  assert.equal(enveloped("{}", open), '{"permissions":{"write":["a"]},"data":{}}');
  assert.equal(enveloped("{}", shallow), '{"permissions":{"read":["a"]},"data":{}}');
  names.push("b");
  assert.equal(enveloped("{}", open), '{"permissions":{"write":["a","b"]},"data":{}}');
  assert.equal(enveloped("{}", shallow), '{"permissions":{"read":["a","b"]},"data":{}}');
  let rendered = 0;
  const counted = Object.assign(["c"], {
    toJSON() {
      rendered++;
      return ["c"];
    },
  });
  const fixed = Object.freeze({ write: Object.freeze(counted) });
  for (let times = 0; times < 3; times++)
    assert.equal(enveloped('{"n":1}', fixed), '{"permissions":{"write":["c"]},"data":{"n":1}}');
  assert.equal(rendered, 1);
  assert.equal(enveloped('{"n":1}', undefined), '{"data":{"n":1}}');
});
