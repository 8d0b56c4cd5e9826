/**
 * The dependency rule: apps → service → faces → operations → interfaces ← adapters. Reads every import of the source files and
 * fails on an arrow that points upwards, on an adapter used by name, on an import around a package's exports, and on cycles.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Layers of packages/rouage/src from the bottom; a file may import its own layer and those below. */
const layers: readonly { readonly name: string; readonly files: RegExp }[] = [
  { name: "values", files: /^(errors|clock|json|principal|http|changed-request|ids)\.ts$/ },
  {
    name: "interfaces",
    files:
      /^(storage\/(storage|keys|permissions|filter|evaluate)|cache\/cache|telemetry\/(log|metrics)|auth\/policy|settings)\.ts$|^(settings|client)\//,
  },
  { name: "operations", files: /^(operations|schema)\/|^(resource|resource-declaration|route)\.ts$/ },
  { name: "adapters", files: /^(storage|cache|telemetry|auth|bus)\// },
  { name: "faces", files: /^faces\// },
  { name: "service", files: /^(service|service-declaration|compose)\.ts$|^(composition|runtime|testing)\// },
  { name: "commands", files: /^(cli)\/|^index\.ts$/ },
];

const problems: string[] = [];
const root = "packages/rouage/src/";
const files = globSync(["packages/*/src/**/*.ts", "apps/*/src/**/*.ts"]).filter(
  (file) => !/\.(test|types\.test|fixture)\.ts$|(^|\/)(fixture|testing)\.ts$/.test(file),
);
const imports = files.flatMap(importsOf);

for (const { from, to, typeOnly } of imports) {
  if (from.startsWith(root) && to.startsWith(root))
    checkLayer(from.slice(root.length), to.slice(root.length), typeOnly);
  if (from.startsWith("apps/") && to.startsWith("packages/"))
    problems.push(`${from} imports ${to}: applications use the package's exports, never its files`);
  if (from.startsWith("packages/") && to.startsWith("apps/"))
    problems.push(`${from} imports ${to}: the toolkit knows no application`);
  checkService(from, to);
}
for (const cycle of cycles()) problems.push(`circle: ${cycle.join(" → ")}`);

if (problems.length > 0) {
  process.stderr.write(
    `${problems.join("\n")}\n${problems.length} problem(s) in the dependencies of ${files.length} files\n`,
  );
  process.exit(1);
}
process.stdout.write(`dependencies of ${files.length} files point downwards, no circles\n`);

function importsOf(file: string): Import[] {
  const source = readFileSync(file, "utf8");
  const found: Import[] = [];
  for (const match of source.matchAll(
    /^(import|export)\s+(type\s+)?[^"';]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)|^import\s+"(\.[^"]+)"/gm,
  )) {
    const path = match[3] ?? match[4] ?? match[5];
    if (path === undefined) continue;
    found.push({ from: file, to: normalize(join(dirname(file), path)), typeOnly: match[2] !== undefined });
  }
  return found;
}

function layerOf(file: string): number {
  const layer = layers.findIndex(({ files: pattern }) => pattern.test(file));
  if (layer < 0) problems.push(`${root}${file} belongs to no layer; name it in scripts/check-dependencies.ts`);
  return layer;
}

function checkLayer(from: string, to: string, typeOnly: boolean): void {
  const above = layerOf(to);
  const own = layerOf(from);
  // Types of an upper layer may be named where a contract needs them; code may not be called.
  if (above > own && !typeOnly)
    problems.push(`${from} (${layers[own]?.name}) imports ${to} (${layers[above]?.name}): arrows point downwards`);
  const adapter = /^(storage|cache)\/(memory|sqlite)/.test(to) && !/^(storage|cache)\//.test(from);
  if (adapter && !/^(testing)\//.test(from)) problems.push(`${from} imports the adapter ${to}: open it by URL`);
  if (
    from.startsWith("faces/") &&
    to.startsWith("storage/") &&
    !/^storage\/(storage|keys|permissions|filter)\.ts$/.test(to)
  )
    problems.push(`${from} imports ${to}: a face knows no storage`);
}

/** Urgence's services talk through calls and logs: none imports another's code, except its published types. */
function checkService(from: string, to: string): void {
  const own = /^apps\/urgence\/src\/services\/([^/]+)\//.exec(from)?.[1];
  const other = /^apps\/urgence\/src\/services\/([^/]+)\//.exec(to)?.[1];
  if (own !== undefined && other !== undefined && own !== other)
    problems.push(`${from} imports ${to}: services do not import each other`);
}

function cycles(): string[][] {
  const graph = new Map<string, string[]>();
  for (const { from, to } of imports) graph.set(from, [...(graph.get(from) ?? []), to]);
  const state = new Map<string, "open" | "done">();
  const found: string[][] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      found.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    state.set(file, "open");
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    state.set(file, "done");
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}
