/** The plugin `default_bucket`: each caller's own bucket under one name for all, `/buckets/default`, made when it is first used. */
import { createHmac } from "node:crypto";
import {
  type HttpRequest,
  type HttpResponse,
  type Interceptor,
  invalid,
  operationContext,
  type Principal,
  type ServiceContext,
  ServiceError,
} from "rouage";
import type { KintoPlugin } from "../plugins/kinto-plugin.ts";
import { idPattern } from "../resources/resources.ts";
import { asSystem } from "../system.ts";
import { withRewrittenId } from "./rewritten-request.ts";

export const defaultBucket: KintoPlugin = {
  includes: ["kinto.plugins.default_bucket"],

  create({ reader }) {
    const secret = reader.text("default_bucket_hmac_secret") ?? reader.text("userid_hmac_secret") ?? "";
    if (secret === "")
      reader.problem(
        "default_bucket_hmac_secret",
        "is required (or userid_hmac_secret): names of default buckets are made with it, and who can foretell them could take them first",
      );
    const bucketOf = (userId: string): string => defaultBucketId(secret, userId);
    return {
      plugin: {
        name: "default-bucket",
        capabilities: {
          default_bucket: {
            description:
              "The default bucket is an alias for a personal bucket where collections are created implicitly.",
            url: "https://kinto.readthedocs.io/en/latest/api/1.x/buckets.html#personal-bucket-default",
          },
        },
        intercept: (context) => interceptor(context, bucketOf),
        hello: () => ({ user: ({ id }) => (id === undefined ? {} : { bucket: bucketOf(id) }) }),
      },
    };
  },
};

/** The same for the same caller and secret for ever: a UUID made of a keyed hash. */
export function defaultBucketId(secret: string, userId: string): string {
  const hex = createHmac("sha256", secret).update(userId).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** Version prefix and what is behind the alias: a path below, a query, or nothing. */
const alias = /^(\/v\d+)\/buckets\/default(?=[/?]|$)(.*)$/s;

function interceptor(context: ServiceContext, bucketOf: (userId: string) => string): Interceptor {
  const { storage, settings } = context;

  return Object.assign(viaAlias, { concerns: ({ url }: HttpRequest) => url.includes("/buckets/default") });

  async function viaAlias(request: HttpRequest, next: Parameters<Interceptor>[1]): Promise<HttpResponse> {
    const [, prefix, rest] = alias.exec(request.url) ?? [];
    if (prefix === undefined || rest === undefined) return next(request);
    if (request.method === "OPTIONS") return next(request);
    if (settings.readonly) throw new ServiceError("method-not-allowed");
    const principal = await context.identify(request);
    if (principal.id === undefined) throw new ServiceError("missing-credentials");
    const bucket = bucketOf(principal.id);
    const isBucketItself = rest === "" || rest.startsWith("?");
    const missing = await missingParts(request, bucket, rest);
    const isNew = missing.length > 0;
    // What is below a record, such as its file, may be large and has its own transaction.
    const isBelowRecord = /^\/collections\/[^/]+\/records\/[^/]+\/[^?]/.test(rest);
    const rewritten = await withRewrittenId(request, {
      url: `${prefix}/buckets/${bucket}${rest}`,
      id: isBucketItself ? bucket : undefined,
      // Ahead of the transaction: whoever sends slowly holds nobody up.
      bodyLimit: isBucketItself || (isNew && !isBelowRecord) ? settings.body_limit : undefined,
    });
    if (!isNew) return next(rewritten);
    const make = async () => {
      for (const part of missing) await create(principal, part);
    };
    if (isBelowRecord) {
      await storage.transaction(make);
      return next(rewritten);
    }
    return storage.transaction(async () => {
      await make();
      return next(rewritten);
    });
  }

  /** What has to be made first. A request that creates it itself, and only if it is absent, does that. */
  async function missingParts(request: HttpRequest, bucket: string, rest: string): Promise<readonly Part[]> {
    const collection = collectionIn(rest);
    if (collection !== undefined && !idPattern.test(collection.id))
      throw invalid({ location: "path", name: null, description: "Invalid object id", code: "invalid-id" });
    const createsOnly = request.method === "PUT" && request.header("if-none-match") === "*";
    const isBucketItself = rest === "" || rest.startsWith("?");
    const missing: Part[] = [];
    if (!(isBucketItself && createsOnly) && !(await exists("bucket", "", bucket)))
      missing.push({ resource: "bucket", params: {}, id: bucket });
    if (collection === undefined || (collection.isLast && (createsOnly || request.method === "DELETE"))) return missing;
    if (!(await exists("collection", `bucket/${bucket}`, collection.id)))
      missing.push({ resource: "collection", params: { bucket_id: bucket }, id: collection.id });
    return missing;
  }

  async function exists(resource: string, parent: string, id: string): Promise<boolean> {
    return (await storage.get({ resource, parent, id }))?.kind === "object";
  }

  /** As the caller, but free of `bucket_create_principals`: everybody has a bucket of their own. */
  async function create(principal: Principal, { resource, params, id }: Part): Promise<void> {
    const operations = context.operations.get(resource);
    const permissions = principal.id === undefined ? {} : { write: [principal.id] };
    try {
      await operations?.replace(
        operationContext(context, asSystem(principal)),
        { params, id },
        { data: {}, permissions, ifNoneMatch: "*" },
      );
    } catch (error) {
      // Somebody else was first.
      if (!ServiceError.is(error) || error.code !== "precondition-failed") throw error;
    }
  }
}

interface Part {
  readonly resource: "bucket" | "collection";
  readonly params: Readonly<Record<string, string>>;
  readonly id: string;
}

/** The collection that a path below the bucket is about, and whether it ends there. */
function collectionIn(rest: string): { readonly id: string; readonly isLast: boolean } | undefined {
  const [, encoded, below] = /^\/collections\/([^/?]+)([^?]*)/.exec(rest) ?? [];
  if (encoded === undefined) return undefined;
  try {
    return { id: decodeURIComponent(encoded), isLast: below === "" || below === "/" };
  } catch {
    return { id: "", isLast: true };
  }
}
