/** Checks a service's declaration when it is made, so that a mistake stops the program and not a request. */
import type { Plugin, ServiceDeclaration } from "../service-declaration.ts";

/** @throws Error with every mistake on a line of its own */
export function checkDeclaration(declaration: ServiceDeclaration): void {
  const problems = [...problemsOf(declaration)];
  if (problems.length > 0)
    throw new Error([`service ${String(declaration.name)}:`, ...problems].join(problems.length === 1 ? " " : "\n  "));
}

function* problemsOf(declaration: ServiceDeclaration): Iterable<string> {
  const { name, version, plugins = [] } = declaration;
  if (typeof name !== "string" || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    yield "the name must be lower-case letters and digits, in words joined by dashes";
  if (typeof version !== "string" || version === "") yield "a version is needed";
  for (const key of Object.keys(declaration)) if (!known.has(key)) yield `option ${key} is not known`;
  yield* partProblems("", declaration);
  for (const [index, plugin] of plugins.entries()) {
    if (typeof plugin?.name !== "string" || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(plugin.name))
      yield `plugins[${index}] needs a name of lower-case letters and digits, in words joined by dashes`;
    for (const key of Object.keys(plugin ?? {}))
      if (!knownOfPlugins.has(key)) yield `option ${key} of plugin ${plugin.name} is not known`;
    yield* partProblems(`plugin ${plugin?.name}: `, plugin ?? {});
  }

  const parts = [declaration, ...plugins];
  const resources = parts.flatMap((part) => part?.resources ?? []);
  if (declaration.storage !== undefined && declaration.storage !== false)
    yield "storage may only be false here; where things are kept is a setting";
  if (declaration.storage === false && resources.length > 0)
    yield `it keeps nothing (storage: false), but there is resource ${resources[0]?.name}`;
  yield* repeated(
    "plugin",
    plugins.map((plugin) => plugin?.name),
  );
  yield* repeated(
    "resource",
    resources.map((resource) => resource?.name),
  );
  for (const resource of resources) {
    const parent = resource?.options?.parent;
    if (parent !== undefined && !resources.includes(parent))
      yield `resource ${resource.name} is nested below ${parent.name}, which is not among the service's resources`;
  }
  yield* repeated(
    "task",
    parts.flatMap((part) => part?.tasks ?? []).map((task) => task.name),
  );
  yield* repeated(
    "capability",
    parts.flatMap((part) => Object.keys(part?.capabilities ?? {})),
  );
}

/** Mistakes that a service and a plugin can make in the same way. */
function* partProblems(where: string, { resources = [], routes }: Partial<Plugin>): Iterable<string> {
  for (const [index, resource] of resources.entries())
    if (resource?.kind !== "resource") yield `${where}resources[${index}] must be made with resource()`;
  if (Array.isArray(routes))
    for (const [index, route] of routes.entries())
      if (route?.kind !== "route") yield `${where}routes[${index}] must be made with route()`;
}

const shared = ["name", "resources", "routes", "authentication", "tasks", "capabilities", "checks"] as const;
const known: ReadonlySet<string> = new Set([...shared, "version", "description", "plugins", "storage"]);
const knownOfPlugins: ReadonlySet<string> = new Set([...shared, "hooks", "intercept", "hello"]);

function* repeated(kind: string, names: readonly string[]): Iterable<string> {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) yield `${kind} ${name} is declared twice`;
    seen.add(name);
  }
}
