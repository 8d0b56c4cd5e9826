import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { everyone, reply, resource, route, service } from "rouage";
import { ClientError } from "rouage/client";
import { Type } from "typebox";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");

const declaration = `
import { everyone, reply, resource, route, service } from "rouage";
import { Type } from "typebox";
`;
const body = `
const people = resource("people", {
  description: "Who */ is known.",
  schema: Type.Object({
    name: Type.String({ minLength: 1, description: "In full." }),
    size: Type.Number({ default: 1 }),
    kind: Type.Optional(Type.Union([Type.Literal("a"), Type.Literal("b")])),
    "odd-name": Type.Optional(Type.Array(Type.Union([Type.String(), Type.Null()]))),
    labels: Type.Optional(Type.Record(Type.String(), Type.Integer())),
    secret: Type.Optional(Type.String({ writeOnly: true })),
  }),
  access: { create: [everyone], read: [everyone], write: [everyone] },
});
const positions = resource("positions", {
  schema: Type.Object({ at: Type.Object({ lat: Type.Number(), lon: Type.Number() }), pair: Type.Optional(Type.Tuple([Type.String(), Type.Number()])) }),
  parent: people,
  access: { create: [everyone], read: [everyone], write: [everyone] },
});
const search = route("POST", "/search/{scope}", {
  access: [everyone],
  summary: "Finds.",
  body: Type.Object({ text: Type.String() }),
  query: Type.Object({ limit: Type.Optional(Type.Integer()) }),
  response: Type.Object({ found: Type.String() }),
  safe: true,
  handler: ({ body, params, query }) => ({ found: [params.scope, body.text, query.limit].join(" ") }),
});
const logo = route("GET", "/logo", { access: [everyone], handler: () => reply(200, "<svg/>", { "content-type": "image/svg+xml" }) });
`;
const ending = `export default service({ name: "address-book", version: "1.2.0", resources: [people, positions], routes: [search, logo] });`;

// The same declarations, so that what is called is what the client was made from.
function declared() {
  const make = new Function(
    "everyone",
    "reply",
    "resource",
    "route",
    "service",
    "Type",
    body + ending.replace("export default", "return"),
  );
  return make(everyone, reply, resource, route, service, Type) as ReturnType<typeof service>;
}

describe("a generated client", () => {
  let folder: string;
  before(async () => {
    await mkdir(join(root, ".artefacts"), { recursive: true });
    folder = await mkdtemp(join(root, ".artefacts/client-"));
    await writeFile(join(folder, "package.json"), `{ "type": "module" }`);
    await writeFile(join(folder, "service.ts"), declaration + body + ending);
    const cli = join(root, "packages/rouage/src/cli/main.ts");
    await run(process.execPath, [cli, "client", join(folder, "service.ts"), "--out", join(folder, "client.ts")]);
  });
  after(() => rm(folder, { recursive: true }));

  test("compiles under strict rules and knows the shapes", async () => {
    await writeFile(
      join(folder, "use.ts"),
      `import { addressBookClient } from "./client.ts";
const client = addressBookClient({ url: "http://localhost" });
export async function use() {
  const { data } = await client.people.create({ name: "Ada", kind: "a", labels: { x: 1 } });
  const size: number = data.size;
  const kind: "a" | "b" | undefined = data.kind;
  // @ts-expect-error: a name is needed
  await client.people.create({ size: 1 });
  // @ts-expect-error: kinds are a and b
  await client.people.create({ name: "Ada", kind: "c" });
  // @ts-expect-error: what is never sent cannot be read
  data.secret;
  // @ts-expect-error: a scope is needed
  await client.postSearchScope({ body: { text: "x" } });
  const { found } = await client.postSearchScope({ params: { scope: "all" }, body: { text: "x" } });
  const where = await client.people.at(data.id).positions.create({ at: { lat: 1, lon: 2 }, pair: ["a", 1] });
  const pair: readonly [string, number] | undefined = where.data.pair;
  // @ts-expect-error: read back only after a check
  (await client.people.get("x", { ifNoneMatch: 1 })).data.name;
  return { size, kind, found: found.length, pair };
}
`,
    );
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: { noEmit: true },
        include: [join(folder, "client.ts"), join(folder, "use.ts")],
        files: [],
      }),
    );
    const compiled = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder]).catch(
      (error: { readonly stdout: string }) => error,
    );
    assert.equal(compiled.stdout, "");
  });

  test("reads, writes and follows pages of the service it was made from", async (t) => {
    const running = await declared().start({ settings: { storage: "memory:", log_level: "silent", paginate_by: 2 } });
    t.after(() => running.stop());
    const module = await import(pathToFileURL(join(folder, "client.ts")).href);
    const client = module.addressBookClient({ url: "http://book.example/", fetch: running.fetch });

    const made = await client.people.create({ name: "3", labels: { a: 1 } });
    assert.equal(made.data.name, "3");
    for (const name of ["Bea", "Cem", "3"]) await client.people.create({ name, secret: "s" });
    const names = [];
    for await (const { name } of client.people.all({ sort: ["name", "id"] })) names.push(name);
    assert.deepEqual(names, ["3", "3", "Bea", "Cem"]);
    assert.equal(await client.people.count({ where: { name: "3" } }), 2);
    assert.equal((await client.people.list({ where: { in_name: ["Bea", "Cem"] }, fields: ["name"] })).data.length, 2);

    const { data, revision } = await client.people.get(made.data.id);
    assert.deepEqual(data, made.data);
    assert.equal((await client.people.get(made.data.id, { ifNoneMatch: revision })).data, undefined);
    const patched = await client.people.patch(made.data.id, { size: 7 }, { ifMatch: revision });
    assert.equal(patched.data.size, 7);
    await assert.rejects(
      client.people.replace(made.data.id, { name: "x" }, { ifMatch: revision }),
      (error) => error instanceof ClientError && error.status === 412 && error.errno === 114,
    );
    const gone = await client.people.delete(made.data.id);
    assert.equal(gone.data.deleted, true);
    const changed = await client.people.changes(patched.revision);
    assert.deepEqual(changed.data, [gone.data]);

    const [bea] = (await client.people.list({ where: { name: "Bea" } })).data;
    await client.people.at(bea.id).positions.create({ at: { lat: 1, lon: 2 } });
    assert.equal((await client.people.at(bea.id).positions.list()).data[0].at.lon, 2);
    assert.deepEqual(
      await client.postSearchScope({ params: { scope: "a b" }, query: { limit: 3 }, body: { text: "x" } }),
      {
        found: "a b x 3",
      },
    );
    assert.equal(await (await client.getLogo()).text(), "<svg/>");
    const left = await client.people.deleteAll();
    assert.equal(left.data.length + ((await left.next?.())?.data.length ?? 0), 3);
  });
});
