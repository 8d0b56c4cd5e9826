/** PROTOCOL §1.6: the query grammar, against a naive oracle and by example. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { ServiceError, type Violation } from "../../errors.ts";
import { anonymous } from "../../principal.ts";
import { resource } from "../../resource.ts";
import { fieldsOf } from "./fields.ts";
import { type ListQuery, queryLimits } from "./list-conditions.ts";
import { parseListQuery } from "./list-query.ts";
import { encodePageToken } from "./page-token.ts";
import { parseQueryString } from "./query-string.ts";

const now = Date.UTC(2026, 0, 1);

const open = fieldsOf(resource("open", { schema: Type.Object({}), unknownFields: "keep" }));
const closed = fieldsOf(
  resource("closed", {
    schema: Type.Object({
      age: Type.Number(),
      has_implant: Type.Boolean(),
      min_age: Type.Number(),
      home: Type.Object({
        city: Type.String(),
        code: Type.Object({ zip: Type.String() }, { additionalProperties: false }),
      }),
      "a.b": Type.String(),
      door: Type.Object({ key: Type.String({ writeOnly: true }), colour: Type.String() }),
    }),
  }),
);

function parse(search: string, fields = open): ListQuery {
  return parseListQuery(parseQueryString(search), { fields, principal: anonymous, now, depth: 16 });
}

function violationsOf(search: string, fields = open): readonly Violation[] {
  try {
    parse(search, fields);
  } catch (error) {
    assert.ok(ServiceError.is(error) && error.code === "invalid-parameters");
    return error.details as readonly Violation[];
  }
  return [];
}

const filterOf = (search: string, fields = open) => parse(search, fields).options.filter;

test("values are JSON, or else strings", () => {
  const valueFor = (text: string) => {
    const filter = filterOf(`f=${encodeURIComponent(text)}`);
    assert.ok(filter?.kind === "compare");
    return filter.value;
  };
  for (const [text, value] of [
    ["2", 2],
    ["2.0", 2],
    ['"2"', "2"],
    ["true", true],
    ["null", null],
    ["[1,2]", [1, 2]],
    ['{"a":1}', { a: 1 }],
    ["abc", "abc"],
    ["", ""],
    ["01", "01"],
    ["True", "True"],
    ["1e999", "1e999"],
    ["[1e999]", "[1e999]"],
    ["{a}", "{a}"],
    ["-", "-"],
    ["é", "é"],
  ] as const)
    assert.deepEqual(valueFor(text), value, text);
});

test("every operator", () => {
  for (const [search, filter] of [
    ["f=1", { kind: "compare", field: "f", operator: "eq", value: 1 }],
    ["eq_f=1", { kind: "compare", field: "f", operator: "eq", value: 1 }],
    ["not_f=1", { kind: "compare", field: "f", operator: "ne", value: 1 }],
    ["min_f=1", { kind: "compare", field: "f", operator: "ge", value: 1 }],
    ["max_f=1", { kind: "compare", field: "f", operator: "le", value: 1 }],
    ["gt_f=1", { kind: "compare", field: "f", operator: "gt", value: 1 }],
    ["lt_f=x", { kind: "compare", field: "f", operator: "lt", value: "x" }],
    ["in_f=a,1,true", { kind: "in", field: "f", values: ["a", 1, true] }],
    ["in_f=[1,2],[3]", { kind: "in", field: "f", values: [[1, 2], [3]] }],
    ['in_f="a,b",c', { kind: "in", field: "f", values: ['"a', 'b"', "c"] }],
    ['in_f="a,b","c"', { kind: "in", field: "f", values: ["a,b", "c"] }],
    ["in_f=", { kind: "in", field: "f", values: [""] }],
    ["exclude_f=1", { kind: "not", filter: { kind: "in", field: "f", values: [1] } }],
    ["like_f=b*b", { kind: "like", field: "f", pattern: "b*b" }],
    ['like_f="10"', { kind: "like", field: "f", pattern: "10" }],
    ["has_f=true", { kind: "has", field: "f", present: true }],
    ["has_f=false", { kind: "has", field: "f", present: false }],
    ["contains_f=1", { kind: "contains", field: "f", mode: "all", values: [1] }],
    ['contains_f=[1,{"a":2}]', { kind: "contains", field: "f", mode: "all", values: [1, { a: 2 }] }],
    ["contains_any_f=[1,2]", { kind: "contains", field: "f", mode: "any", values: [1, 2] }],
    ["a.b.c=1", { kind: "compare", field: "a.b.c", operator: "eq", value: 1 }],
    ["min_a.b=1", { kind: "compare", field: "a.b", operator: "ge", value: 1 }],
    ["id=12", { kind: "compare", field: "id", operator: "eq", value: "12" }],
  ] as const)
    assert.deepEqual(filterOf(search), filter, search);
});

test("filters are ANDed, the same name twice included", () => {
  const filter = filterOf("a=1&a=2&min_b=3");
  assert.ok(filter?.kind === "and");
  assert.equal(filter.filters.length, 3);
});

test("in_id wants strings, in_last_modified integers", () => {
  assert.equal(violationsOf("in_id=1,2").length, 1);
  assert.equal(violationsOf("in_id=a,%222%22").length, 0);
  assert.equal(violationsOf("in_last_modified=1,2").length, 0);
  assert.equal(violationsOf("in_last_modified=a,2").length, 1);
});

test("like wants a string, has a boolean, contains no id", () => {
  assert.equal(violationsOf("like_f=10")[0]?.description, "Invalid value for like_f");
  assert.equal(violationsOf("has_f=1").length, 1);
  assert.equal(violationsOf("contains_id=a")[0]?.description, "Field 'id' is not an array");
  assert.equal(violationsOf("contains_any_last_modified=1").length, 1);
});

test("timestamps are integers from 0 to before tomorrow, quoted or not", () => {
  for (const name of ["_since", "_before", "_to", "last_modified", "gt_last_modified", "not_last_modified"]) {
    for (const good of ["0", "12", "%2212%22", String(now), String(now + 86_399_999)])
      assert.deepEqual(violationsOf(`${name}=${good}`), [], `${name}=${good}`);
    for (const bad of ["-1", "abc", "1.5", String(now + 86_400_000), "", "true", "[1]", "%22%22"])
      assert.equal(violationsOf(`${name}=${bad}`).length, 1, `${name}=${bad}`);
  }
});

test("_since and _before are bounds on last_modified; null is no bound; both show tombstones", () => {
  assert.deepEqual(parse("_since=%2212%22").options, {
    filter: { kind: "compare", field: "last_modified", operator: "gt", value: 12 },
    tombstones: true,
  });
  assert.deepEqual(parse("_since=null").options, { tombstones: true });
  assert.equal(parse("_before=12").options.tombstones, true);
  assert.equal(parse("min_last_modified=12").options.tombstones, true);
  assert.equal(parse("_sort=last_modified").options.tombstones, undefined);
  assert.equal(parse("_to=12").deprecatedTo, true);
});

test("_sort takes several keys, each once; a plus sign may be written", () => {
  assert.deepEqual(parse("_sort=a,-b.c,+d,-a").options.sort, [
    { field: "a", direction: "ascending" },
    { field: "b.c", direction: "descending" },
    { field: "d", direction: "ascending" },
  ]);
  assert.equal(parse("_sort=").options.sort, undefined);
  for (const bad of ["_sort=,", "_sort=-", "_sort=a,,b"]) assert.equal(violationsOf(bad).length, 1, bad);
});

test("_limit is an integer from 0", () => {
  assert.equal(parse("_limit=0").options.limit, 0);
  assert.equal(parse("_limit=10").options.limit, 10);
  assert.equal(parse("_limit=9223372036854775807").options.limit, Number.MAX_SAFE_INTEGER);
  for (const bad of ["-1", "abc", "1.5", "", "9223372036854775808", "1e3", "%2210%22"])
    assert.equal(violationsOf(`_limit=${bad}`).length, 1, bad);
});

test("other parameters that begin with an underscore are ignored", () => {
  assert.deepEqual(parse("_expected=12&_x=%7B&_=1").options, {});
});

test("null bytes are refused wherever they hide", () => {
  for (const search of [
    "f=a%00",
    "f%00=a",
    'f="%5Cu0000"',
    'in_f="a","%5Cu0000"',
    'f={"%5Cu0000":1}',
    'f=[["%5Cu0000"]]',
    "_fields=a%00",
    "_sort=a%00",
  ])
    assert.equal(violationsOf(search.replaceAll('"', "%22"))[0]?.description, "Invalid character 0x00", search);
});

test("closed schemas refuse unknown fields, at any depth they know", () => {
  for (const good of [
    "age=1",
    "home.city=x",
    "home.other=x",
    "home.code.zip=1",
    "a.b=1",
    "id=a",
    "deleted=true",
    "has_implant=true",
    "has_has_implant=true",
    "min_age=1",
    "door.colour=red",
  ])
    assert.deepEqual(violationsOf(good, closed), [], good);
  for (const bad of [
    "name=1",
    "min_name=1",
    "ages=1",
    "home.code.x=1",
    "a=1",
    "a.c=1",
    "toString=1",
    "constructor.name=x",
    "eq___proto__.x=1",
  ])
    assert.equal(violationsOf(bad, closed)[0]?.description, `Unknown filter field '${bad.split("=")[0]}'`, bad);
  assert.match(violationsOf("_sort=name", closed)[0]?.description ?? "", /Unknown sort field 'name'/);
});

test("a declared field whose name begins like an operator is itself", () => {
  assert.deepEqual(filterOf("has_implant=true", closed), {
    kind: "compare",
    field: "has_implant",
    operator: "eq",
    value: true,
  });
  assert.deepEqual(filterOf("min_age=1", closed), { kind: "compare", field: "age", operator: "ge", value: 1 });
  assert.deepEqual(filterOf("min_min_age=1", closed), { kind: "compare", field: "min_age", operator: "ge", value: 1 });
});

test("neither a write-only field nor an object that holds one can be asked about", () => {
  for (const bad of ["door.key=x", "door={}", "has_door=true", "_sort=door.key", "_fields=door", "like_door.key=a*"])
    assert.equal(violationsOf(bad, closed).length, 1, bad);
});

test("everything wrong is reported together", () => {
  const names = violationsOf("_limit=x&like_age=1&name=1&_sort=zz&_token=!", closed).map(({ name }) => name);
  assert.deepEqual(names, ["_limit", "_sort", "_token", "like_age", "name"]);
});

test("filters, values, keys and nesting are bounded", () => {
  const many = (count: number, make: (index: number) => string) => Array.from({ length: count }, (_, i) => make(i));
  assert.deepEqual(violationsOf(many(queryLimits.filters, (i) => `f${i}=1`).join("&")), []);
  assert.equal(violationsOf(many(queryLimits.filters + 1, (i) => `f${i}=1`).join("&"))[0]?.code, "too-many");
  assert.equal(violationsOf(`in_f=${many(queryLimits.values + 1, String).join(",")}`)[0]?.code, "too-many");
  assert.equal(violationsOf(`_sort=${many(queryLimits.sorts + 1, (i) => `f${i}`).join(",")}`)[0]?.code, "too-many");
  assert.equal(violationsOf(`f=${"[".repeat(1000)}${"]".repeat(1000)}`)[0]?.code, "too-deep");
});

test("a token continues behind its values, in its own order only", () => {
  const sort = [
    { field: "a", direction: "ascending" },
    { field: "last_modified", direction: "descending" },
  ] as const;
  const token = encodePageToken(sort, [undefined, 12], "n1");
  assert.deepEqual(parse(`_sort=a&_token=${token}`).options.after, [undefined, 12]);
  assert.equal(parse(`_sort=a&_token=${token}`).token?.nonce, "n1");
  assert.equal(violationsOf(`_sort=-a&_token=${token}`)[0]?.description, "_token has invalid content");
  assert.equal(violationsOf(`_token=${token}`).length, 1);
});

test("no token whatever is taken unless it is well-formed", () => {
  const content = fc.oneof(
    fc.json(),
    fc
      .record({
        s: fc.constantFrom("-last_modified", "a"),
        o: fc.oneof(fc.json(), fc.dictionary(fc.string(), fc.jsonValue())),
      })
      .map((value) => JSON.stringify(value)),
    fc.string(),
  );
  fc.assert(
    fc.property(content, (text) => {
      const token = Buffer.from(text).toString("base64url");
      let query: ListQuery;
      try {
        query = parse(`_token=${token}`);
      } catch (error) {
        assert.ok(ServiceError.is(error) && error.kind.status === 400);
        return;
      }
      assert.equal(query.options.after?.length, 1);
      assert.ok(Number.isSafeInteger(query.options.after?.[0]));
    }),
  );
});

/** What the grammar says, written down a second time and without regard to speed. */
function oracle(operator: string, field: string, text: string): unknown {
  const native = (value: string): unknown => {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  };
  const value = native(text);
  switch (operator) {
    case "in":
    case "exclude": {
      const wrapped = native(`[${text}]`);
      const values = text !== "" && Array.isArray(wrapped) ? wrapped : text.split(",").map(native);
      const filter = { kind: "in", field, values };
      return operator === "in" ? filter : { kind: "not", filter };
    }
    case "like":
      return typeof value === "string" ? { kind: "like", field, pattern: value } : "invalid";
    case "has":
      return typeof value === "boolean" ? { kind: "has", field, present: value } : "invalid";
    case "contains":
    case "contains_any":
      return {
        kind: "contains",
        field,
        mode: operator === "contains" ? "all" : "any",
        values: Array.isArray(value) ? value : [value],
      };
    default: {
      const names = { "": "eq", eq: "eq", not: "ne", min: "ge", max: "le", gt: "gt", lt: "lt" } as const;
      return { kind: "compare", field, operator: names[operator as keyof typeof names], value };
    }
  }
}

test("for any operator, field and value the parser agrees with the oracle", () => {
  const operators = [
    "",
    "eq",
    "not",
    "min",
    "max",
    "gt",
    "lt",
    "in",
    "exclude",
    "like",
    "has",
    "contains",
    "contains_any",
  ];
  const value = fc.oneof(
    fc.json({ maxDepth: 3, noUnicodeString: false }),
    fc.string(),
    fc.array(fc.oneof(fc.string(), fc.json({ maxDepth: 1 })), { maxLength: 5 }).map((parts) => parts.join(",")),
    fc.constantFrom("true", "false", "null", "0", "-1.5", '"x"', "[]", "{}"),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...operators),
      fc.constantFrom("f", "title", "a.b", "x_y"),
      value,
      (operator, field, text) => {
        fc.pre(!text.includes("\0") && !text.includes("\\u0000"));
        const name = operator === "" ? field : `${operator}_${field}`;
        const search = `${name}=${encodeURIComponent(text)}`;
        const expected = oracle(operator, field, text);
        if (expected === "invalid") assert.equal(violationsOf(search).length, 1);
        else assert.deepEqual(filterOf(search), expected);
      },
    ),
    { numRuns: 1000 },
  );
});

test("no query string whatever gives anything but a query or a 400", () => {
  const piece = fc.oneof(
    fc.string().map((text) => encodeURIComponent(text.toWellFormed())),
    fc.constantFrom(
      "_since",
      "_sort",
      "_limit",
      "_token",
      "_fields",
      "in_id",
      "contains_",
      "like_",
      "=",
      "&",
      "%22",
      "[",
      "{",
      "-",
      ",",
      ".",
      "+",
      "__proto__",
      "constructor",
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, isClosed) => {
      violationsOf(pieces.join(""), isClosed ? closed : open);
    }),
    { numRuns: 2000 },
  );
});
