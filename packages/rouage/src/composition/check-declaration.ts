/** Checks a service's declaration when it is made, so that a mistake stops the program and not a request. */
import type { ServiceDeclaration } from "../service-declaration.ts";

/** @throws Error with every mistake on a line of its own */
export function checkDeclaration(declaration: ServiceDeclaration): void {
  const problems = [...problemsOf(declaration)];
  if (problems.length > 0)
    throw new Error([`service ${String(declaration.name)}:`, ...problems].join(problems.length === 1 ? " " : "\n  "));
}

function* problemsOf(declaration: ServiceDeclaration): Iterable<string> {
  const { name, version, resources = [], routes, tasks = [] } = declaration;
  if (typeof name !== "string" || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    yield "the name must be lower-case letters and digits, in words joined by dashes";
  if (typeof version !== "string" || version === "") yield "a version is needed";
  for (const key of Object.keys(declaration)) if (!known.has(key)) yield `option ${key} is not known`;

  for (const [index, resource] of resources.entries())
    if (resource?.kind !== "resource") yield `resources[${index}] must be made with resource()`;
  yield* repeated(
    "resource",
    resources.map((resource) => resource?.name),
  );
  for (const resource of resources) {
    const parent = resource?.options?.parent;
    if (parent !== undefined && !resources.includes(parent))
      yield `resource ${resource.name} is nested below ${parent.name}, which is not among the service's resources`;
  }
  if (Array.isArray(routes))
    for (const [index, route] of routes.entries())
      if (route?.kind !== "route") yield `routes[${index}] must be made with route()`;
  yield* repeated(
    "task",
    tasks.map((task) => task.name),
  );
}

const known: ReadonlySet<string> = new Set([
  "name",
  "version",
  "description",
  "resources",
  "routes",
  "authentication",
  "tasks",
  "capabilities",
  "checks",
]);

function* repeated(kind: string, names: readonly string[]): Iterable<string> {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) yield `${kind} ${name} is declared twice`;
    seen.add(name);
  }
}
