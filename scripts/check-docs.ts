/**
 * What the documentation names is there: every relative link of a Markdown file leads to a file, and its fragment to a heading; every `npm run X` is a
 * script of package.json; every path of this repository in code spans exists; every dependency has its reason in docs/architecture.md.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "" && existsSync(file));
const manifests = [
  "package.json",
  "packages/rouage/package.json",
  "apps/urgence/package.json",
  "apps/kinto/package.json",
].map((file): Manifest => JSON.parse(readFileSync(file, "utf8")));
const scripts = new Set(manifests.flatMap((manifest) => Object.keys(manifest.scripts ?? {})));

const problems = [...files.flatMap(problemsOf), ...unexplained()];
if (problems.length > 0) {
  process.stderr.write(`${problems.join("\n")}\n${problems.length} problem(s) in the documentation\n`);
  process.exit(1);
}
process.stdout.write(`${files.length} pages: links, commands, paths and dependencies are there\n`);

function problemsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, "");
  return [
    ...[...prose.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].flatMap(([, link = ""]) => linkProblem(file, link)),
    ...[...text.matchAll(/npm run ([a-z][\w:-]*)/g)].flatMap(([, script = ""]) =>
      scripts.has(script) ? [] : [`${file}: npm run ${script} is no script of package.json`],
    ),
    ...[...prose.matchAll(/`((?:packages|apps|scripts|docs|examples|bench)\/[\w./-]+)`/g)].flatMap(([, path = ""]) =>
      existsSync(path) ? [] : [`${file}: ${path} does not exist`],
    ),
  ];
}

function linkProblem(file: string, link: string): string[] {
  const [path = "", fragment] = link.split("#", 2);
  const target = path === "" ? file : normalize(join(dirname(file), path));
  if (!existsSync(target)) return [`${file}: the link ${link} leads nowhere`];
  if (fragment === undefined || headingsOf(readFileSync(target, "utf8")).has(fragment)) return [];
  return [`${file}: ${link}: ${target} has no such heading`];
}

/** Fragments as the usual renderers make them of headings. */
function headingsOf(text: string): ReadonlySet<string> {
  const headings = text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6} +(.+)$/gm);
  const words = [...headings].map(([, heading = ""]) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, ""));
  return new Set(words.map((heading) => heading.trim().replaceAll(" ", "-")));
}

function unexplained(): string[] {
  const page = readFileSync("docs/architecture.md", "utf8");
  const names = manifests.flatMap(({ dependencies, devDependencies, peerDependencies }) =>
    Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }),
  );
  return [...new Set(names)]
    .filter((name) => !page.includes(`\`${name}\``))
    .map((name) => `docs/architecture.md gives no reason for the dependency ${name}`);
}
