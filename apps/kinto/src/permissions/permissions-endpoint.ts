/** The plugin behind `experimental_permissions_endpoint`: `GET /permissions`. */
import { everyone, listReply, route } from "rouage";
import type { KintoPlugin } from "../plugins/kinto-plugin.ts";
import { permissionEntries, permissionFields } from "./permission-list.ts";

export const permissionsEndpoint: KintoPlugin = {
  includes: [],
  isOn: (reader) => reader.boolean("experimental_permissions_endpoint") === true,

  create({ reader, settings }) {
    const bucketCreators = settings.granted.bucket.create ?? [];
    const hasAccounts = settings.includes.some((include) => include.startsWith("kinto.plugins.accounts"));
    const accountCreators = hasAccounts ? (reader.list("account_create_principals") ?? []) : [];
    const root = { "bucket:create": bucketCreators, "account:create": accountCreators };
    return {
      plugin: {
        name: "permissions-endpoint",
        capabilities: {
          permissions_endpoint: {
            description: "The permissions endpoint can be used to list all user objects permissions.",
            url: "https://kinto.readthedocs.io/en/latest/configuration/settings.html#activating-the-permissions-endpoint",
          },
        },
        routes: (context) => [
          route("GET", "/permissions", {
            access: [everyone],
            summary: "Everything that the caller was given permissions on",
            tag: "Permissions",
            handler: async (request) => {
              const { storage } = context;
              const principals = await context.principalsOf(request.principal);
              return listReply(request, {
                settings: context.settings,
                fields: permissionFields,
                key: "uri",
                revision: await storage.position(),
                objects: (filter) =>
                  permissionEntries({ storage, granted: settings.granted, root }, principals, filter),
              });
            },
          }),
        ],
      },
    };
  },
};
