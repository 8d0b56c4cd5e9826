/** The plugin `kinto.plugins.quotas`: how much a bucket and a collection may hold. What is too much is refused with 507. */
import {
  type Hooks,
  type HttpRequest,
  type HttpResponse,
  type Interceptor,
  type JsonObject,
  nobody,
  type Resource,
  resource,
  type ServiceContext,
  ServiceError,
  type StoredWrite,
} from "rouage";
import { Type } from "typebox";
import type { KintoPlugin } from "../kinto-plugin.ts";
import {
  added,
  bucketCounters,
  type Counters,
  collectionCounters,
  readCounters,
  sizeOf,
  writeCounters,
} from "./quota-counters.ts";
import { type Limits, type QuotaLimits, readQuotaLimits } from "./quota-limits.ts";

export const quotas: KintoPlugin = {
  includes: ["kinto.plugins.quotas"],

  create({ reader }) {
    const limits = readQuotaLimits(reader);
    return {
      plugin: {
        name: "quotas",
        resources: [counterResource],
        capabilities: {
          quotas: {
            description: "Quota management on buckets and collections.",
            url: "https://kinto.readthedocs.io/en/latest/configuration/settings.html#quotas",
          },
        },
        hooks: ({ storage }) => hooksOf(storage, limits),
        intercept: ({ storage }) => remaining(storage, limits),
      },
    };
  },
};

/** Kept like everything else, and shown to nobody. */
const counterResource = resource("quota", {
  path: "/__quotas__",
  schema: Type.Object({}),
  unknownFields: "keep",
  access: { create: [nobody], read: [nobody], write: [nobody] },
  disabled: ["list", "get", "create", "replace", "patch", "delete", "deleteList"],
  logBodies: false,
}) as unknown as Resource;

type Storage = ServiceContext["storage"];
type Write = StoredWrite<JsonObject>;

function hooksOf(storage: Storage, limits: QuotaLimits): Readonly<Record<string, Hooks<JsonObject>>> {
  const grown = ({ next, previous }: Write) => sizeOf(next) - sizeOf(previous);
  const bucketOf = ({ parent }: Pick<Write, "parent">) => parent.split("/")[1] ?? "";

  return {
    bucket: {
      async stored(write) {
        const key = bucketCounters(write.id);
        if (write.next === undefined)
          await storage.commit([{ kind: "delete", key, expect: { kind: "any" } }]).catch(() => undefined);
        else {
          // A bucket that is made anew begins with nothing, whatever another of its name left.
          const before = write.previous === undefined ? nothing : await readCounters(storage, key);
          const counters = added(before, { collection_count: 0, storage_size: grown(write) });
          assertWithin("Bucket", limits.ofBucket(write.id), counters, 0);
          await storage.commit([writeCounters(key, counters)]);
        }
      },
    },
    collection: {
      async stored(write) {
        const bucket = bucketOf(write);
        const key = collectionCounters(bucket, write.id);
        const isNew = write.previous === undefined;
        const before = isNew ? nothing : await readCounters(storage, key);
        const inside = await readCounters(storage, bucketCounters(bucket));
        if (write.next === undefined) {
          const less = {
            collection_count: -1,
            record_count: -before.record_count,
            storage_size: -before.storage_size,
          };
          await storage.commit([
            writeCounters(bucketCounters(bucket), added(inside, less)),
            { kind: "delete", key, expect: { kind: "any" } },
          ]);
          return;
        }
        const counters = added(before, { storage_size: grown(write) });
        const around = added(inside, { collection_count: isNew ? 1 : 0, storage_size: grown(write) });
        assertWithin("Collection", limits.ofCollection(bucket, write.id), counters, 0);
        assertWithin("Bucket", limits.ofBucket(bucket), around, 0);
        await storage.commit([writeCounters(key, counters), writeCounters(bucketCounters(bucket), around)]);
      },
    },
    group: {
      async stored(write) {
        const bucket = bucketOf(write);
        const counters = added(await readCounters(storage, bucketCounters(bucket)), { storage_size: grown(write) });
        if (write.next !== undefined) assertWithin("Bucket", limits.ofBucket(bucket), counters, 0);
        await storage.commit([writeCounters(bucketCounters(bucket), counters)]);
      },
    },
    record: {
      async stored(write) {
        const bucket = bucketOf(write);
        const collection = write.parent.split("/")[3] ?? "";
        const change = {
          record_count: (write.next === undefined ? 0 : 1) - (write.previous === undefined ? 0 : 1),
          storage_size: grown(write),
        };
        const key = collectionCounters(bucket, collection);
        const counters = added(await readCounters(storage, key), change);
        const around = added(await readCounters(storage, bucketCounters(bucket)), change);
        // Who deletes or makes smaller is never refused.
        if (write.next !== undefined && (change.record_count > 0 || change.storage_size > 0)) {
          const size = sizeOf(write.next);
          assertWithin("Collection", limits.ofCollection(bucket, collection), counters, size);
          assertWithin("Bucket", limits.ofBucket(bucket), around, size);
        }
        await storage.commit([writeCounters(key, counters), writeCounters(bucketCounters(bucket), around)]);
      },
    },
  };
}

const nothing: Counters = { record_count: 0, storage_size: 0 };

/** @throws ServiceError `insufficient-storage` */
function assertWithin(what: "Bucket" | "Collection", limits: Limits, counters: Counters, item: number): void {
  const { maxBytes, maxItems, maxBytesPerItem } = limits;
  if (maxBytes !== undefined && counters.storage_size > maxBytes)
    throw exceeded(`${what} maximum total size exceeded (${counters.storage_size} > ${maxBytes} Bytes).`);
  if (maxItems !== undefined && counters.record_count > maxItems)
    throw exceeded(`${what} maximum number of objects exceeded (${counters.record_count} > ${maxItems} objects).`);
  if (maxBytesPerItem !== undefined && item > maxBytesPerItem)
    throw exceeded(`Maximum bytes per object exceeded (${item} > ${maxBytesPerItem} Bytes).`);
}

function exceeded(message: string): ServiceError {
  return new ServiceError("insufficient-storage", { message });
}

/** Tells who writes how many bytes are left, where there is a limit. */
function remaining(storage: Storage, limits: QuotaLimits): Interceptor {
  return Object.assign(told, { concerns: ({ method }: HttpRequest) => method !== "GET" && method !== "HEAD" });

  async function told(request: HttpRequest, next: Parameters<Interceptor>[1]): Promise<HttpResponse> {
    const answer = await next(request);
    if (answer.status >= 300) return answer;
    const [, bucket, collection] = /\/buckets\/([^/?]+)(?:\/collections\/([^/?]+))?/.exec(request.url) ?? [];
    if (bucket === undefined || bucket === "default") return answer;
    const left: number[] = [];
    const inBucket = limits.ofBucket(bucket).maxBytes;
    if (inBucket !== undefined)
      left.push(inBucket - (await readCounters(storage, bucketCounters(bucket))).storage_size);
    if (collection !== undefined) {
      const { maxBytes } = limits.ofCollection(bucket, collection);
      const { storage_size } = await readCounters(storage, collectionCounters(bucket, collection));
      if (maxBytes !== undefined) left.push(maxBytes - storage_size);
    }
    if (left.length === 0) return answer;
    return { ...answer, headers: { ...answer.headers, "quota-remaining": String(Math.max(0, Math.min(...left))) } };
  }
}
