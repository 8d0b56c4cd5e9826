/** The plugin `kinto_attachment`: one file beside each record, kept in a folder, and gone with it. */
import { rm } from "node:fs/promises";
import {
  type BackgroundTask,
  everyone,
  type JsonObject,
  type OperationContext,
  preconditionsOf,
  type Route,
  reply,
  route,
  type ServiceContext,
} from "rouage";
import { version } from "../../version.ts";
import type { KintoParts, KintoPlugin } from "../kinto-plugin.ts";
import { attach } from "./attach.ts";
import { type AttachmentSettings, readAttachmentSettings } from "./attachment-settings.ts";
import { cleanupTask } from "./cleanup.ts";
import { type FileStore, fileStore } from "./file-store.ts";
import { type Link, linkResource } from "./links.ts";
import { type OwnWrites, recordHook } from "./record-hook.ts";
import { servingRoutes } from "./serve.ts";

export const attachments: KintoPlugin = {
  includes: ["kinto_attachment"],

  create(parts) {
    const settings = readAttachmentSettings(parts.reader, parts.settings);
    const files = fileStore(settings.basePath);
    const own: OwnWrites = new WeakMap<OperationContext, Link>();
    return {
      plugin: {
        name: "attachments",
        resources: [linkResource],
        capabilities: {
          attachments: {
            description: "Add file attachments to records",
            url: "https://github.com/Kinto/kinto-attachment/",
            version,
            base_url: settings.shownUrl,
          } as { readonly description: string; readonly url: string },
        },
        hooks: () => ({ record: recordHook(own) }),
        checks: (context) => ({ attachments: () => files.check(context.settings.readonly) }),
        tasks: [...(parts.settings.readonly ? [] : [cleanupTask(files, settings)]), ...temporary(settings)],
        routes: (context) => [
          ...attachmentRoutes(context, parts, settings, files, own),
          ...(settings.servedPath === undefined ? [] : servingRoutes(settings.servedPath, context, files)),
        ],
      },
    };
  },
};

/** A store in memory has its files for as long as it lives. */
function temporary({ isTemporary, basePath }: AttachmentSettings): readonly BackgroundTask[] {
  if (!isTemporary) return [];
  return [{ name: "attachment-folder", start: () => () => rm(basePath, { recursive: true, force: true }) }];
}

function attachmentRoutes(
  service: ServiceContext,
  { settings: { granted } }: KintoParts,
  settings: AttachmentSettings,
  files: FileStore,
  own: OwnWrites,
): readonly Route[] {
  const path = "/buckets/{bucket_id}/collections/{collection_id}/records/{id}/attachment";
  const prefix = `/v${Number.parseInt(service.settings.http_api_version, 10)}`;
  return [
    route("POST", path, {
      access: [everyone],
      accepts: ["multipart/form-data"],
      // Whoever repeats a file sends it again: keeping it to compare would cost as much.
      idempotency: false,
      summary: "Attach a file to a record, which is created where it does not exist",
      tag: "Attachments",
      handler: async (context) => {
        const { bucket_id: bucket, collection_id: collection, id: record } = context.params;
        const { attachment, isNew } = await attach({ service, granted, settings, files, own }, context, {
          bucket,
          collection,
          record,
        });
        const uri = `/buckets/${bucket}/collections/${collection}/records/${record}`;
        return reply(isNew ? 201 : 200, attachment, { location: context.request.origin + prefix + uri });
      },
    }),
    route("DELETE", path, {
      access: [everyone],
      summary: "Remove the file of a record",
      tag: "Attachments",
      handler: async (context) => {
        const { id, ...params } = context.params;
        const patch = { kind: "merge", data: { attachment: null } as JsonObject } as const;
        await service.operations
          .get("record")
          ?.patch(context, { params, id }, { patch, ...preconditionsOf(context.request) });
      },
    }),
  ];
}
