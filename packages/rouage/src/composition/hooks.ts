/** Hooks of plugins on resources that others declare, chained behind the resources' own. */
import type { JsonObject } from "../json.ts";
import type { Hooks, Resource } from "../resource-declaration.ts";
import type { Plugin, ServiceContext } from "../service-declaration.ts";
import type { Permissions } from "../storage/permissions.ts";

interface Named {
  /** Plugin that gave them; undefined: the resource's own. */
  readonly plugin: string | undefined;
  readonly hooks: Hooks<JsonObject>;
}

/**
 * The resources with the plugins' hooks on them; those that no plugin hooks on stay as they are.
 * @throws Error when a plugin names a resource that there is not, or a hook that is none
 */
export function hookedResources(
  resources: readonly Resource[],
  plugins: readonly Plugin[],
  context: ServiceContext,
): readonly Resource[] {
  const added = new Map<string, Named[]>();
  for (const plugin of plugins)
    for (const [name, hooks] of Object.entries(plugin.hooks?.(context) ?? {})) {
      const where = `service ${context.name}: plugin ${plugin.name}`;
      if (!resources.some((resource) => resource.name === name))
        throw new Error(`${where} hooks on ${name}, which is not among the service's resources`);
      for (const [hook, run] of Object.entries(hooks))
        if (
          (hook !== "before" && hook !== "stored" && hook !== "after") ||
          (run !== undefined && typeof run !== "function")
        )
          throw new Error(`${where}: hooks.${name}.${hook} must be before, stored or after, and a function`);
      added.set(name, [...(added.get(name) ?? []), { plugin: plugin.name, hooks }]);
    }
  return resources.map((resource) => {
    const further = added.get(resource.name);
    if (further === undefined) return resource;
    const own = { plugin: undefined, hooks: (resource.options.hooks ?? {}) as Hooks<JsonObject> };
    const hooks = chained(resource.name, [own, ...further]) as NonNullable<Resource["options"]["hooks"]>;
    return { ...resource, options: { ...resource.options, hooks } };
  });
}

function chained(resource: string, all: readonly Named[]): Hooks<JsonObject> {
  const befores = all.filter(({ hooks }) => hooks.before !== undefined);
  const stored = all.filter(({ hooks }) => hooks.stored !== undefined);
  const afters = all.filter(({ hooks }) => hooks.after !== undefined);
  return {
    ...(befores.length > 0 && { before: beforeOf(befores) }),
    ...(stored.length > 0 && { stored: storedOf(stored) }),
    ...(afters.length > 0 && { after: afterOf(resource, afters) }),
  };
}

function beforeOf(all: readonly Named[]): NonNullable<Hooks<JsonObject>["before"]> {
  return async (write, context) => {
    let replacement: JsonObject | undefined;
    let { permissions } = write;
    const setPermissions = (next: Permissions): void => {
      write.setPermissions(next);
      if (permissions !== undefined) permissions = { ...permissions, next };
    };
    for (const { hooks } of all) {
      const next = replacement ?? write.next;
      const seen = { ...write, next, setPermissions, ...(permissions !== undefined && { permissions }) };
      const returned = await hooks.before?.(seen, context);
      if (returned !== undefined && write.action !== "delete") replacement = returned;
    }
    return replacement;
  };
}

/** One that fails takes the write back, and with it what those ahead have written. */
function storedOf(all: readonly Named[]): NonNullable<Hooks<JsonObject>["stored"]> {
  return async (write, context) => {
    for (const { hooks } of all) await hooks.stored?.(write, context);
  };
}

/** One that fails keeps none of the others from running. */
function afterOf(resource: string, all: readonly Named[]): NonNullable<Hooks<JsonObject>["after"]> {
  return async (write, context) => {
    for (const { plugin, hooks } of all) {
      try {
        await hooks.after?.(write, context);
      } catch (error) {
        context.log.error({ err: error, resource, plugin, id: write.id }, "after hook failed");
      }
    }
  };
}
