/** What a service declares itself and what its plugins add, joined: the service's own first, then the plugins in their order. */
import type { AuthenticationPolicy } from "../auth/policy.ts";
import type { Resource } from "../resource.ts";
import type { Route } from "../route.ts";
import type { BackgroundTask, Plugin, ServiceContext, ServiceDeclaration } from "../service-declaration.ts";

type Parcel = Omit<Plugin, "hooks" | "intercept" | "hello">;

export interface Parcels {
  readonly resources: readonly Resource[];
  readonly tasks: readonly BackgroundTask[];
  readonly capabilities: NonNullable<ServiceDeclaration["capabilities"]>;
  routes(context: ServiceContext): readonly Route[];
  /** @throws Error when two policies share a name */
  authentication(
    context: ServiceContext,
    fallback: readonly AuthenticationPolicy[],
  ): Promise<readonly AuthenticationPolicy[]>;
  /** @throws Error when two checks share a name */
  checks(context: ServiceContext): Readonly<Record<string, () => Promise<void>>>;
}

export function parcelsOf(declaration: ServiceDeclaration): Parcels {
  const parcels: readonly Parcel[] = [declaration, ...(declaration.plugins ?? [])];
  return {
    resources: parcels.flatMap(({ resources }) => resources ?? []),
    tasks: parcels.flatMap(({ tasks }) => tasks ?? []),
    capabilities: Object.assign({}, ...parcels.map(({ capabilities }) => capabilities)),
    routes: (context) =>
      parcels.flatMap(({ routes }) => (typeof routes === "function" ? routes(context) : (routes ?? []))),

    async authentication(context, fallback) {
      const policies: AuthenticationPolicy[] = [];
      for (const { authentication } of parcels)
        policies.push(
          ...((typeof authentication === "function" ? await authentication(context) : authentication) ?? []),
        );
      if (parcels.every(({ authentication }) => authentication === undefined)) policies.push(...fallback);
      refuseRepeated(
        context,
        "authentication policy",
        policies.map(({ name }) => name),
      );
      return policies;
    },

    checks(context) {
      const checks = parcels.flatMap((parcel) => Object.entries(parcel.checks?.(context) ?? {}));
      refuseRepeated(context, "check", ["storage", "cache", ...checks.map(([name]) => name)]);
      return Object.fromEntries(checks);
    },
  };
}

function refuseRepeated(context: ServiceContext, kind: string, names: readonly string[]): void {
  for (const [index, name] of names.entries())
    if (names.indexOf(name) < index) throw new Error(`service ${context.name}: ${kind} ${name} is listed twice`);
}
