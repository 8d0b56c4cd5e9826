/** The plugin `kinto_changes`: one public list that says which collections changed when, and collections in one answer. */
import { changedRequest, everyone, listReply, reply, route, type ServiceContext } from "rouage";
import { Type } from "typebox";
import { assertMayReadRecords } from "../../permissions/collection-readers.ts";
import type { KintoParts, KintoPlugin } from "../kinto-plugin.ts";
import { insteadOfList, keptFor, revisionHeaders, revisionOf } from "./answers.ts";
import { type ChangesSettings, readChangesSettings } from "./changes-settings.ts";
import { changesetOf } from "./changeset.ts";
import { type MonitoredCollections, monitoredCollections } from "./monitored-collections.ts";

interface Parts {
  readonly context: ServiceContext;
  readonly settings: ChangesSettings;
  readonly monitored: MonitoredCollections;
}

export const changes: KintoPlugin = {
  includes: ["kinto_changes"],

  create({ reader, settings: { granted } }) {
    const settings = readChangesSettings(reader);
    const capability = {
      description:
        "Track modifications of records in Kinto and store the collection timestamps into a specific bucket and collection.",
      url: "http://kinto.readthedocs.io/en/latest/tutorials/synchronisation.html#polling-for-remote-changes",
      collections: settings.resources,
    };
    return {
      plugin: {
        name: "changes",
        capabilities: { changes: capability },
        routes: (context) => {
          const parts = { context, settings, monitored: monitoredCollections(context, settings) };
          return [listRoute(parts), changesetRoute(parts, granted), broadcastRoute(parts)];
        },
      },
    };
  },
};

/** The list and what is below it exist under these names whether or not somebody made a bucket of that name. */
const bucket = "monitor";
const collection = "changes";

function listRoute({ context, settings, monitored }: Parts) {
  return route("GET", `/buckets/${bucket}/collections/${collection}/records`, {
    access: [everyone],
    credentials: "optional",
    summary: "The monitored collections, with the revisions of their records",
    tag: "Changes",
    handler: async (call) => {
      const { _since, _expected } = call.query;
      const asked = { since: revisionOf(_since), expected: revisionOf(_expected) };
      const instead = insteadOfList(call, asked, settings);
      if (instead !== undefined) return instead;
      const { entries, revision } = await monitored.now();
      // Caches on the way keep no 304: who knows everything is told that there is nothing new.
      const isCurrent = call.request.header("if-none-match") === `"${revision}"`;
      const request = isCurrent
        ? changedRequest(call.request, { headers: { "if-none-match": undefined } })
        : call.request;
      const answer = await listReply(
        { request, clock: call.clock, principal: call.principal, signal: call.signal },
        {
          settings: context.settings,
          fields: ["id", "last_modified", "bucket", "collection", "host"],
          key: "id",
          sort: [{ field: "last_modified", direction: "descending" }],
          revision,
          lastModified: revision,
          objects: () => (isCurrent ? [] : entries),
        },
      );
      return keptFor(answer, settings.cacheSeconds(bucket, collection, _expected !== undefined), call.clock.now());
    },
  });
}

function changesetRoute({ context, settings, monitored }: Parts, granted: KintoParts["settings"]["granted"]) {
  return route("GET", "/buckets/{bucket_id}/collections/{collection_id}/changeset", {
    access: [everyone],
    summary: "What a collection says of itself, and its records or what became of them since a revision",
    tag: "Changes",
    query: Type.Object(
      {
        _expected: Type.String({ description: "Any text; another one is another entry of caches on the way" }),
        _since: Type.Optional(Type.String({ pattern: '^"?\\d{1,16}"?$' })),
        _limit: Type.Optional(Type.Integer({ minimum: 0 })),
        bucket: Type.Optional(Type.String()),
        collection: Type.Optional(Type.String()),
      },
      { additionalProperties: true },
    ),
    handler: async (call) => {
      const { bucket_id, collection_id } = call.params;
      const { _since, _limit: limit, _expected } = call.query;
      const since = revisionOf(_since);
      const isMonitor = bucket_id === bucket && collection_id === collection;
      const instead = isMonitor ? insteadOfList(call, { since, expected: revisionOf(_expected) }, settings) : undefined;
      if (instead !== undefined) return instead;
      if (!isMonitor) await assertMayReadRecords(context, granted, call.principal, bucket_id, collection_id);
      const { timestamp, text } = isMonitor
        ? await changesetOfMonitor({ ...call.query, since, limit })
        : await changesetOf(context, { bucket: bucket_id, collection: collection_id, since, limit });
      const seconds = settings.cacheSeconds(bucket_id, collection_id, true);
      // What only some may read is nothing that caches share.
      const isPublic = isMonitor || call.principal.id === undefined;
      return keptFor(reply(200, text, revisionHeaders(timestamp)), isPublic ? seconds : undefined, call.clock.now());
    },
  });

  async function changesetOfMonitor(query: {
    readonly since: number | undefined;
    readonly limit: number | undefined;
    readonly bucket?: string;
    readonly collection?: string;
  }) {
    const { entries, revision } = await monitored.now();
    const found = entries.filter(
      (entry) =>
        (query.since === undefined || entry.last_modified > query.since) &&
        (query.bucket ?? entry.bucket) === entry.bucket &&
        (query.collection ?? entry.collection) === entry.collection,
    );
    const answer = { metadata: { bucket }, timestamp: revision, changes: found.slice(0, query.limit) };
    return { timestamp: revision, text: JSON.stringify(answer) };
  }
}

function broadcastRoute({ context: { cache }, settings: { broadcastSeconds }, monitored }: Parts) {
  const key = "kinto-changes:broadcast";
  return route("GET", "/__broadcasts__", {
    access: [everyone],
    credentials: "optional",
    summary: "The revision of the list of changes, for services that push it to clients",
    tag: "Changes",
    handler: async () => {
      // Each new one makes every client come, so there is none before those of the last came.
      let version = await cache.get(key);
      if (version === undefined) {
        version = `"${(await monitored.now()).revision}"`;
        if (broadcastSeconds > 0) await cache.set(key, version, broadcastSeconds);
      }
      return { broadcasts: { "remote-settings/monitor_changes": version }, code: 200 };
    },
  });
}
