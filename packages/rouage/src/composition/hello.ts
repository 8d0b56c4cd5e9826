/** What hello shows of a service and its plugins. */
import type { HelloParts } from "../faces/rest/hello.ts";
import type { JsonObject } from "../json.ts";
import type { Resource } from "../resource.ts";
import type { Plugin, ServiceContext } from "../service-declaration.ts";

export function helloOf(
  context: ServiceContext,
  resources: readonly Resource[],
  plugins: readonly Plugin[],
): HelloParts {
  const extras = plugins.flatMap((plugin) => plugin.hello?.(context) ?? []);
  const users = extras.flatMap(({ user }) => user ?? []);
  const explicit = resources.every(({ options: { sharing } }) => sharing === undefined || isExplicit(sharing));
  const settings: JsonObject = Object.assign(
    { explicit_permissions: explicit },
    ...extras.map((extra) => extra.settings),
  );
  return {
    settings,
    principalsOf: (principal) => context.principalsOf(principal),
    ...(users.length > 0 && {
      user: async (principal) => Object.assign({}, ...(await Promise.all(users.map((user) => user(principal))))),
    }),
  };
}

function isExplicit(sharing: NonNullable<Resource["options"]["sharing"]>): boolean {
  return sharing === true || sharing.explicit !== false;
}
