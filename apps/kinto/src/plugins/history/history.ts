/** The plugin `kinto.plugins.history`: what happened in each bucket, and collections as they were. */
import { everyone, invalid, type Resource, resource, route, type ServiceContext, type ServiceError } from "rouage";
import { Type } from "typebox";
import { assertMayReadRecords } from "../../permissions/collection-readers.ts";
import { systemRule } from "../../system.ts";
import type { KintoParts, KintoPlugin } from "../kinto-plugin.ts";
import { type HistorySettings, readHistorySettings } from "./history-settings.ts";
import { recorder } from "./recorder.ts";
import { snapshotOf } from "./snapshot.ts";

export const history: KintoPlugin = {
  includes: ["kinto.plugins.history"],

  create(parts) {
    const settings = readHistorySettings(parts.reader);
    return {
      plugin: {
        name: "history",
        resources: [historyResource(parts)],
        capabilities: { history: capabilityOf(settings) },
        hooks(context) {
          const hooksOf = recorder(context, settings, { explicit: parts.settings.explicitPermissions });
          return {
            bucket: hooksOf("bucket"),
            collection: hooksOf("collection"),
            group: hooksOf("group"),
            record: hooksOf("record"),
          };
        },
        routes: (context) => [snapshotRoute(context, parts)],
      },
    };
  },
};

function historyResource({ resources }: KintoParts): Resource {
  return resource("history", {
    parent: resources.bucket,
    path: "/history",
    description: "What was done to the bucket and to everything in it.",
    schema: Type.Object({}),
    unknownFields: "keep",
    access: { create: [systemRule], read: [systemRule], write: [systemRule] },
    sharing: { settable: false },
    indexes: [
      ["resource_name", "last_modified"],
      ["collection_id", "last_modified"],
      ["uri", "last_modified"],
    ],
    logBodies: false,
    disabled: ["get", "create", "replace", "patch", "delete"],
  }) as unknown as Resource;
}

function capabilityOf({ trimCount, trimUsers, excludedResources }: HistorySettings) {
  return {
    description: "Track changes on data.",
    url: "https://kinto.readthedocs.io/en/latest/api/1.x/history.html",
    ...(trimCount !== undefined && { auto_trim_max_count: trimCount }),
    ...(trimUsers.size > 0 && { auto_trim_user_ids: [...trimUsers] }),
    ...(excludedResources.size > 0 && { excluded_resources: [...excludedResources] }),
  };
}

/** More records than this are not put together for one answer. */
const largestSnapshot = 100_000;

function snapshotRoute(context: ServiceContext, { settings }: KintoParts) {
  return route("GET", "/buckets/{bucket_id}/snapshot/collections/{at}", {
    access: [everyone],
    summary: "The records of a collection as they were at a revision: `{collection}@{revision}`",
    tag: "History",
    handler: async (request) => {
      const { bucket_id: bucket, at: text } = request.params;
      const [, collection = "", revision = ""] = /^(.*)@([^@]*)$/.exec(text) ?? [];
      const at = /^"?(\d{1,16})"?$/.exec(revision)?.[1];
      if (collection === "" || at === undefined)
        throw refused("The snapshot must be named {collection}@{revision}", "invalid-value");
      await assertMayReadRecords(context, settings.granted, request.principal, bucket, collection);
      const data = await snapshotOf(context, { bucket, collection, at: Number(at), most: largestSnapshot });
      if (data === undefined) throw refused(`The collection had more than ${largestSnapshot} records`, "too-costly");
      return { data };
    },
  });
}

function refused(description: string, code: string): ServiceError {
  return invalid({ location: "path", name: null, description, code });
}
