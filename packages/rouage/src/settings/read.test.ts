import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { readServiceSettings } from "../settings.ts";
import { environmentPrefix, expectation, readSettings, SettingsError, type SettingsSources } from "./read.ts";

const schema = Type.Object({
  port: Type.Integer({ minimum: 0, maximum: 65535, default: 80 }),
  title: Type.String({ default: "none" }),
  tags: Type.Array(Type.String(), { default: [] }),
  level: Type.Enum(["low", "high"], { default: "low" }),
  secret: Type.Optional(Type.String({ minLength: 3 })),
});

const read = (sources: Omit<SettingsSources, "prefix">) => readSettings(schema, { prefix: "APP_", ...sources });

function problems(sources: Omit<SettingsSources, "prefix">): readonly string[] {
  try {
    read(sources);
  } catch (error) {
    if (error instanceof SettingsError)
      return error.problems.map(({ key, source, problem }) => `${key} | ${source} | ${problem}`);
    throw error;
  }
  return [];
}

function file(t: TestContext, name: string, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), "settings-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("sources", () => {
  test("defaults < file < environment < options", (t) => {
    const path = file(t, "app.toml", 'port = 1\ntitle = "file"\ntags = ["a"]\nlevel = "high"\n');
    const environment = { APP_PORT: "2", APP_TITLE: "environment", OTHER: "x" };
    assert.deepEqual(read({}), { port: 80, title: "none", tags: [], level: "low", secret: undefined });
    const settings = read({ file: path, environment, options: { port: 3, title: undefined } });
    assert.deepEqual(settings, { port: 3, title: "environment", tags: ["a"], level: "high", secret: undefined });
  });

  test("<PREFIX>CONFIG names the file, TOML or JSON", (t) => {
    const path = file(t, "app.json", '{"port": 4}');
    assert.equal(read({ environment: { APP_CONFIG: path } }).port, 4);
  });

  test("environment values are JSON, else text; lists may be written with commas", () => {
    const at = (environment: Readonly<Record<string, string>>) => read({ environment });
    assert.equal(at({ APP_TITLE: "123" }).title, "123");
    assert.equal(at({ APP_TITLE: '"quoted"' }).title, "quoted");
    assert.equal(at({ APP_TITLE: "" }).title, "");
    assert.deepEqual(at({ APP_TAGS: "a, b," }).tags, ["a", "b"]);
    assert.deepEqual(at({ APP_TAGS: '["a,b"]' }).tags, ["a,b"]);
  });

  test("a variable that ends in _FILE names a file that holds the value", (t) => {
    const path = file(t, "secret", "s3cret\n");
    assert.equal(read({ environment: { APP_SECRET_FILE: path } }).secret, "s3cret");
  });

  test("defaults are not shared between readers", () => {
    (read({}).tags as string[]).push("changed");
    assert.deepEqual(read({}).tags, []);
  });

  test("what Kubernetes injects for a neighbour of the same name is no setting", () => {
    const environment = {
      APP_PORT: "tcp://10.0.0.1:80",
      APP_SERVICE_HOST: "10.0.0.1",
      APP_SERVICE_PORT_HTTP: "80",
      APP_PORT_80_TCP_ADDR: "10.0.0.1",
    };
    assert.equal(read({ environment }).port, 80);
  });
});

const formats: Readonly<Record<string, string>> = {
  "app.toml": '# ours\nport = 1\ntitle = "123"\ntags = ["a", "b"]\nlevel = "high"\n',
  "app.yaml": "# ours\nport: 1\ntitle: '123'\ntags: [a, b]\nlevel: high\n",
  "app.yml": "port: 1\ntitle: '123'\ntags:\n  - a\n  - b\nlevel: high\n",
  "app.json": '{"port": 1, "title": "123", "tags": ["a", "b"], "level": "high"}',
  "app.ini":
    "[DEFAULT]\nname = 12\n[app:main]\nuse = egg:app\ntitle = %(name)s3\ntags = a, b\nlevel: high\n[server:main]\nport = 1\n",
  "app.INI": "[logging]\nx = %(y)s\n[app]\nport = 1\ntitle = 123\ntags =\n  a\n  b\nlevel = high\n",
};

describe("formats", () => {
  for (const [name, content] of Object.entries(formats))
    test(`${name} gives the same settings as the others`, (t) => {
      const expected = { port: 1, title: "123", tags: ["a", "b"], level: "high", secret: undefined };
      assert.deepEqual(read({ file: file(t, name, content) }), expected);
    });

  test("every format names the line of what is wrong", (t) => {
    const wrong: Readonly<Record<string, string>> = {
      "a.toml": 'title = "x"\nport = "secret"\n[oops]\na = 1\n',
      "a.yaml": "title: x\nport: secret\noops:\n  a: 1\n",
      "a.json": '{"title": "x",\n"port": "secret",\n"oops": {"a": 1}}',
      "a.ini": "[app]\nport = secret\noops = 1\n",
    };
    for (const [name, content] of Object.entries(wrong)) {
      const path = file(t, name, content);
      assert.deepEqual(problems({ file: path }), [
        `port | file ${path} line 2 | expected integer from 0 to 65535`,
        `oops | file ${path} line 3 | unknown setting`,
      ]);
    }
  });

  test("what no parser takes is told with its line, and nothing of it is quoted", (t) => {
    const broken: Readonly<Record<string, string>> = {
      "a.toml": "title = 'x'\nport = = geheimnis",
      "a.yaml": "title: x\n\tpw: - [",
      "a.json": '{"title": "x",\n "geheimnis" oops}',
      "a.ini": "[app]\npw",
    };
    for (const [name, content] of Object.entries(broken)) {
      const path = file(t, name, content);
      const told = problems({ file: path }).join("\n");
      assert.match(told, /^config \| file .+ line 2 \| /, name);
      assert.doesNotMatch(told, /geheimnis/);
    }
  });

  test("an INI file: keys with dots and dashes, words for booleans, problems of all sections together", (t) => {
    const own = Type.Object({ log_level: Type.String(), readonly: Type.Boolean(), port: Type.Integer({ default: 1 }) });
    const at = (content: string) => readSettings(own, { prefix: "MY_APP_", file: file(t, "a.ini", content) });
    assert.deepEqual(at("[my-app]\nlog.level = info\nreadonly = Yes\n"), {
      log_level: "info",
      readonly: true,
      port: 1,
    });
    assert.throws(
      () => at("[other]\nlog_level = info\n"),
      /neither a section \[app:main\] nor one of the service's name/,
    );
    assert.throws(() => at("[app:main]\nlog-level = %(gone)s\nreadonly = no\n"), /line 2\): log-level: refers to gone/);
    assert.throws(
      () => at("[app:main]\nlog-level = x\nport = 2\n[server:main]\nport = 3\nreadonly = maybe\n"),
      /port is there twice: also in line 3[\s\S]*readonly \(file .+ line 6\): expected boolean/,
    );
  });

  test("a YAML file cannot blow itself up by aliases", (t) => {
    const bomb = `a: &a [x]\n${[..."bcdefghij"].map((name, index) => `${name}: &${name} [${`*${"abcdefghij"[index]},`.repeat(10)}]\n`).join("")}`;
    assert.match(problems({ file: file(t, "a.yaml", bomb) }).join(), /not valid YAML/);
  });
});

describe("problems", () => {
  test("every unknown key and bad value is named at once, with what was expected and what was probably meant", (t) => {
    const path = file(t, "app.toml", "prot = 1\nlevel = 3\n");
    assert.deepEqual(
      problems({ file: path, environment: { APP_PORT: "99999", APP_TITEL: "x" }, options: { tgas: [] } }),
      [
        `prot | file ${path} line 1 | unknown setting; did you mean port?`,
        `level | file ${path} line 2 | expected one of "low", "high"`,
        "port | environment APP_PORT | expected integer from 0 to 65535",
        "APP_TITEL | environment | unknown setting; did you mean APP_TITLE?",
        "tgas | options | unknown setting; did you mean tags?",
      ],
    );
  });

  test("a missing file, a broken file and a value given twice are problems", (t) => {
    const secret = file(t, "secret", "x");
    assert.match(problems({ file: "/nowhere.toml" })[0] ?? "", /no such file/);
    assert.match(problems({ file: file(t, "a.toml", "port = = 1") })[0] ?? "", /not valid TOML/);
    assert.match(problems({ file: file(t, "a.json", "[1]") })[0] ?? "", /expected an object/);
    assert.match(problems({ environment: { APP_SECRET: "abc", APP_SECRET_FILE: secret } })[0] ?? "", /given twice/);
    assert.match(problems({ environment: { APP_SECRET_FILE: "/nowhere" } })[0] ?? "", /no such file/);
  });

  test("values never show in a message", (t) => {
    const sources = {
      file: file(t, "a.json", '{"secret": "p!" oops'),
      environment: { APP_SECRET: "p!", APP_PORT: "p!" },
    };
    assert.equal(problems(sources).length, 3);
    assert.doesNotMatch(problems(sources).join(), /p!/);
  });

  test("a required setting that nobody gave is named with its variable", () => {
    assert.throws(
      () => readSettings(Type.Object({ url: Type.String() }), { prefix: "APP_" }),
      /url \(nowhere\): is required; set APP_URL/,
    );
  });

  test("names of object members are unknown settings like any other", () => {
    assert.equal(problems({ options: { constructor: 1 } }).length, 1);
    assert.equal(problems({ options: JSON.parse('{"__proto__": 1}') }).length, 1);
  });

  test("whatever the environment holds, reading gives settings or a SettingsError", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("APP_PORT", "APP_TAGS", "APP_X", "APP_LEVEL_FILE", "APP_"), fc.string()),
        (environment) => {
          problems({ environment });
        },
      ),
    );
  });
});

test("the prefix of a service is its name in capitals", () => {
  assert.equal(environmentPrefix("urgence-web"), "URGENCE_WEB_");
  assert.equal(readServiceSettings("a-b", { environment: { A_B_PORT: "1" } }).port, 1);
  assert.equal(readServiceSettings("kittens").storage, "sqlite:data/kittens.db");
});

test("expectations are told in words", () => {
  assert.equal(expectation(Type.Integer({ minimum: 1 })), "integer of at least 1");
  assert.equal(
    expectation(Type.Union([Type.Literal("a"), Type.Number({ maximum: 2 })])),
    'one of "a", number of at most 2',
  );
  assert.equal(expectation(Type.Array(Type.String({ minLength: 1 }))), "list of string of at least 1 character");
});
