/** `DELETE /__user_data__/{principal}`: everything that only this principal can change, and the principal in everything else. */

import { everyone, type OperationContext, operationContext, route, type ServiceContext, ServiceError } from "rouage";
import type { ObjectKey } from "rouage/storage";
import { forgetPrincipal } from "../forget-principal.ts";
import { asSystem } from "../system.ts";
import type { KintoPlugin } from "./kinto-plugin.ts";

/** Always on; without `user-data_delete_principals` nobody may call it. */
export const userData: KintoPlugin = {
  includes: [],
  isOn: () => true,

  create({ reader }) {
    const allowed = reader.list("user-data_delete_principals") ?? [];
    return {
      plugin: {
        name: "user-data",
        routes: (context) => [
          route("DELETE", "/__user_data__/{principal}", {
            access: [everyone],
            summary: "Erase what a principal owns, and every mention of it",
            tag: "Utilities",
            handler: async ({ params: { principal }, ...request }) => {
              const names = await context.principalsOf(request.principal);
              if (!names.some((name) => allowed.includes(name)))
                throw new ServiceError(request.principal.id === undefined ? "missing-credentials" : "forbidden");
              await eraseUser(context, request, principal);
              return { data: { principal } };
            },
          }),
        ],
      },
    };
  },
};

async function eraseUser(
  context: ServiceContext,
  request: Pick<OperationContext, "principal" | "requestId">,
  principal: string,
): Promise<void> {
  const { storage } = context;
  const own: ObjectKey[] = [];
  for await (const { key, permissions } of storage.permissions.reachable({ principals: [principal] })) {
    if (!permissions.includes("write")) continue;
    const { write = [] } = await storage.permissions.of(key);
    if (write.length === 1) own.push(key);
  }
  const system = operationContext(context, asSystem(request.principal), request.requestId);
  for (const { resource, parent, id } of own) {
    try {
      await context.operations.get(resource)?.delete(system, { params: paramsOf(parent), id }, {});
    } catch (error) {
      // Gone with the object above it.
      if (!ServiceError.is(error) || error.kind.status !== 404) throw error;
    }
  }
  await forgetPrincipal(storage, principal, {
    principal: request.principal.id ?? "",
    requestId: request.requestId,
  });
}

/** `bucket/a/collection/b` → `{bucket_id: "a", collection_id: "b"}`. */
function paramsOf(parent: string): Readonly<Record<string, string>> {
  const segments = parent === "" ? [] : parent.split("/");
  const params: Record<string, string> = {};
  for (let at = 0; at + 1 < segments.length; at += 2) params[`${segments[at]}_id`] = segments[at + 1] ?? "";
  return params;
}
