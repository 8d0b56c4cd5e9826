/** TypeBox as `npm install` bundled it is the TypeBox that is installed, and programs read it from there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

interface Bundle {
  readonly folder: string;
  readonly subpaths: Readonly<Record<string, string>>;
}

const script = pathToFileURL(join(import.meta.dirname, "../../../scripts/quick-start.mjs")).href;
const { bundleOf }: { readonly bundleOf: (name: string) => Bundle } = await import(script);
const { folder, subpaths } = bundleOf("typebox");

test("each subpath of the bundle exports what the package does", async () => {
  assert.ok(Object.keys(subpaths).length > 5);
  for (const [specifier, file] of Object.entries(subpaths)) {
    const [bundled, installed] = await Promise.all([import(join(folder, file)), import(specifier)]);
    assert.deepEqual(Object.keys(bundled), Object.keys(installed), specifier);
  }
});

test("a program that starts quickly reads the bundle", () => {
  const program = `
    import { quickStart } from ${JSON.stringify(script)};
    quickStart("urgence");
    const { Compile } = await import("typebox/compile");
    const { Type } = await import("typebox");
    console.log(import.meta.resolve("typebox"), Compile(Type.String()).Check("text"));`;
  const options = { input: program, encoding: "utf8", cwd: import.meta.dirname } as const;
  const printed = execFileSync(process.execPath, ["--input-type=module"], options);
  assert.equal(printed.trim(), `${pathToFileURL(join(folder, "index.mjs")).href} true`);
});
