import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { IniError, type IniOptions, parseIni } from "./ini.ts";

function section(text: string, name = "a", options: IniOptions = {}): Record<string, string> {
  return Object.fromEntries(
    parseIni(text, options)
      .section(name)
      .map(({ key, value }) => [key, value]),
  );
}

function problems(text: string, name?: string): string {
  try {
    const ini = parseIni(text);
    if (name !== undefined) ini.section(name);
    return "";
  } catch (error) {
    assert.ok(error instanceof IniError, String(error));
    return error.message;
  }
}

describe("what configparser reads", () => {
  test("keys in lower case, both delimiters, white space around, values that hold delimiters", () => {
    assert.deepEqual(section("[a]\nPort=80\nurl : http://x:1/?a=b\n  empty =\n"), {
      port: "80",
      url: "http://x:1/?a=b\nempty =",
    });
    assert.deepEqual(section("[a]\nkey with space = v\nx:=y\n"), { "key with space": "v", x: "=y" });
    assert.deepEqual(section("[a]\nPort = 80", "a", { keepCase: true }), { Port: "80" });
  });

  test("comments stand on lines of their own, indented too; behind a value they belong to it", () => {
    assert.deepEqual(section("# one\n[a]\n; two\n  # three\nx = 1 # not one\ny = 2\n  # four\n  more\n"), {
      x: "1 # not one",
      y: "2\nmore",
    });
  });

  test("indented lines go on with the value, empty lines inside too, not those at its end", () => {
    assert.deepEqual(section("[a]\nx =\n  one\n\n  two\n\ny = 1\n"), { x: "\none\n\ntwo", y: "1" });
    assert.deepEqual(section("  [a]\n  x = 1\n  y = 2\n"), { x: "1", y: "2" });
  });

  test("all line ends, a byte order mark, brackets in a section's name", () => {
    assert.deepEqual(section("\uFEFF[a]\r\nx = 1\ry = 2\r\n"), { x: "1", y: "2" });
    assert.deepEqual(parseIni("[a]b]x\n[ c ]\n").sections, ["a]b", " c "]);
  });

  test("keys of DEFAULT are in every section, its own win", () => {
    const ini = parseIni("[a]\nx = own\n[DEFAULT]\nx = 1\ny = 2\n[b]\n[DEFAULT]\nz = 3\n");
    assert.deepEqual(ini.sections, ["a", "b"]);
    assert.deepEqual(ini.section("a"), [
      { key: "x", value: "own", line: 2, inherited: false },
      { key: "y", value: "2", line: 5, inherited: true },
      { key: "z", value: "3", line: 8, inherited: true },
    ]);
    assert.deepEqual(section("[a]\nx = %(here)s/x", "a", { defaults: { here: "/etc" } }), {
      x: "/etc/x",
      here: "/etc",
    });
  });

  test("a section that is not there has what is inherited", () => {
    assert.deepEqual(parseIni("[a]\nx = 1\n").section("b"), []);
  });
});

describe("interpolation", () => {
  test("references to the section, to DEFAULT, and through each other; two percent signs are one", () => {
    const text = "[DEFAULT]\nhost = h\n[a]\nport = 80\nurl = http://%(HOST)s:%(port)s/\nall = %(url)s%%20%(url)s\n";
    assert.deepEqual(section(text), { host: "h", port: "80", url: "http://h:80/", all: "http://h:80/%20http://h:80/" });
  });

  test("what cannot be is named with its line, and never quoted", () => {
    const text = "[a]\nx = pw%\ny = %(gone)s pw\nz = %(z)s\nw = %(pw\nok = 1\n";
    assert.equal(
      problems(text, "a"),
      "line 2: x: a % stands before neither % nor (; write %% for a percent sign; line 3: y: refers to gone, which is not there; " +
        "line 4: z: references go deeper than 10, or in a circle; line 5: w: a reference is not complete; expected %(name)s",
    );
  });

  test("values of a section nobody asks for need not be valid", () => {
    assert.deepEqual(section("[formatters]\nformat = %(message)s %x\n[a]\nx = 1\n"), { x: "1" });
  });

  test("references that multiply are stopped", () => {
    const levels = Array.from({ length: 9 }, (_, n) => `x${n + 1} = ${`%(x${n})s`.repeat(20)}`).join("\n");
    assert.match(problems(`[a]\nx0 = ${"y".repeat(100)}\n${levels}\n`, "a"), /references make it too long/);
  });
});

describe("what is no INI file", () => {
  test("every line that is wrong is named", () => {
    assert.equal(
      problems("early = 1\nmore = 2\n[a]\nnothing\n= v\nx = 1\nX = 2\n[a]\n"),
      "line 1: stands before the first [section]; line 4: expected KEY = VALUE; line 5: there is no key before the = or :; " +
        "line 7: x is there twice in its section; line 8: the section [a] is there twice",
    );
  });
});

describe("properties", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_.]{0,8}$/);
  const line = fc.stringMatching(/^[a-zA-Z0-9%(][ -~]{0,12}$/).map((text) => text.trimEnd());
  const value = fc.oneof(
    fc.constant(""),
    fc.array(line, { minLength: 1, maxLength: 3 }).map((lines) => lines.join("\n")),
  );
  const document = fc.dictionary(name, fc.dictionary(name, value, { maxKeys: 5 }), { maxKeys: 4 });

  test("what is written is read again, in whatever layout", () => {
    fc.assert(
      fc.property(
        document,
        fc.constantFrom(" = ", ":", "=", "  :  "),
        fc.constantFrom("\n", "\r\n"),
        (sections, equals, end) => {
          const text = Object.entries(sections).flatMap(([title, entries]) => [
            `[${title}]`,
            "# a comment",
            ...Object.entries(entries).map(
              ([key, text]) => key + equals + text.replaceAll("%", "%%").replaceAll("\n", `${end}\t`),
            ),
            "",
          ]);
          const ini = parseIni(text.join(end));
          assert.deepEqual(ini.sections, Object.keys(sections));
          for (const [title, entries] of Object.entries(sections))
            assert.deepEqual(section(text.join(end), title), { ...entries });
        },
      ),
    );
  });

  test("any text is read or refused with an IniError, and lines are those of the text", () => {
    const piece = fc.constantFrom(
      "[a]",
      "[DEFAULT]",
      "x",
      "=",
      ":",
      "\n",
      "\n ",
      "%(x)s",
      "%",
      "#",
      " ",
      "\r",
      "é",
      "[",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = pieces.join("");
        problems(text, "a");
        try {
          for (const { key, line: at } of parseIni(text).section("a"))
            assert.ok(
              at !== undefined &&
                text
                  .split(/\r\n|\r|\n/)
                  [at - 1]?.toLowerCase()
                  .includes(key),
            );
        } catch (error) {
          assert.ok(error instanceof IniError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
