/**
 * `kinto import`: copies what can be read of a running Kinto, the reference or this one, into a storage. It may be run again, after an
 * interruption or to catch up: what is here already is left alone, what is newer there is brought over, what is newer here stays.
 */
import type { JsonObject, Service } from "rouage";
import type { ListKey, Permissions } from "rouage/storage";
import { changesOf, type Outcome, outcomeOf, type RemoteObject, revisionOf } from "./merge.ts";
import { RemoteError, type RemoteKinto } from "./remote-kinto.ts";

export interface ImportReport {
  readonly counts: Readonly<Record<Outcome, number>>;
  /** Live objects of which the server shows no permissions, by kind. */
  readonly hiddenPermissions: ReadonlyMap<string, number>;
  /** Everything else that could not be brought over, and why; at most so many, and how many more. */
  readonly problems: readonly string[];
  readonly moreProblems: number;
  /** Records whose files are elsewhere. */
  readonly attachments: number;
}

export interface ImportOptions {
  readonly remote: RemoteKinto;
  readonly kinto: Pick<Service, "storage" | "context">;
  readonly signal: AbortSignal;
  readonly progress?: (done: number, total: number) => void;
}

type Kind = "account" | "bucket" | "group" | "collection" | "record";

interface RemoteList {
  readonly kind: Kind;
  readonly key: ListKey;
  /** `/buckets/a/collections` */
  readonly path: string;
}

const pageSize = 200;
const mostProblems = 50;
/** Where a bucket's id is one, an account's may also be a mail address. */
const idPatterns = { account: /^[a-zA-Z0-9+.@_-]+$/, other: /^[a-zA-Z0-9][a-zA-Z0-9_-]*$/ };
const permissionsOf: Readonly<Record<Kind, readonly string[]>> = {
  account: ["read", "write"],
  bucket: ["read", "write", "collection:create", "group:create"],
  group: ["read", "write"],
  collection: ["read", "write", "record:create"],
  record: ["read", "write"],
};

/** @throws RemoteError where the server can't be reached or is none */
export async function importKinto({ remote, kinto, signal, progress }: ImportOptions): Promise<ImportReport> {
  const { storage } = kinto;
  const counts = { new: 0, changed: 0, same: 0, "newer here": 0 };
  const hidden = new Map<string, number>();
  const problems: string[] = [];
  let moreProblems = 0;
  let attachments = 0;
  let done = 0;
  let total = 0;
  const logsBodies = new Map(kinto.context.resources.map(({ name, options }) => [name, options.logBodies !== false]));

  const { body: hello } = await remote.get("/");
  const batchSize = Math.max(
    1,
    Math.min(100, Number((hello.settings as JsonObject | undefined)?.batch_max_requests ?? 25)),
  );
  const capabilities = (hello.capabilities ?? {}) as JsonObject;

  const top: RemoteList = { kind: "bucket", key: { resource: "bucket", parent: "" }, path: "/buckets" };
  const lists: RemoteList[] = [];
  for await (const bucket of idsOf(top)) {
    const parent = `bucket/${bucket}`;
    const path = `/buckets/${bucket}`;
    const collections: RemoteList = {
      kind: "collection",
      key: { resource: "collection", parent },
      path: `${path}/collections`,
    };
    lists.push({ kind: "group", key: { resource: "group", parent }, path: `${path}/groups` }, collections);
    for await (const collection of idsOf(collections))
      lists.push({
        kind: "record",
        key: { resource: "record", parent: `${parent}/collection/${collection}` },
        path: `${collections.path}/${collection}/records`,
      });
  }
  // What is above comes first: a copy that is broken off has nothing without it.
  const rank: readonly Kind[] = ["bucket", "group", "collection", "record"];
  const all = [top, ...lists.sort((a, b) => rank.indexOf(a.kind) - rank.indexOf(b.kind))];
  for (const list of all) total += await totalOf(list);
  if (capabilities.accounts !== undefined && logsBodies.has("account")) await copyAccounts();
  for (const list of all) await copy(list);
  return { counts, hiddenPermissions: hidden, problems, moreProblems, attachments };

  async function copy(list: RemoteList): Promise<void> {
    let revision: number | undefined;
    try {
      // Deletions as well: clients that were away learn of them from the copy.
      for await (const page of remote.pages(`${list.path}?_since=0&_limit=${pageSize}&_sort=last_modified`)) {
        signal.throwIfAborted();
        // That of the first page: what is written while others are read is brought by the next run.
        revision ??= page.revision;
        await copyPage(list, page.data);
      }
      if (revision !== undefined) await storage.commit([revisionOf(list.key, revision)]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      problem(error.message);
    }
  }

  async function copyPage(list: RemoteList, data: readonly JsonObject[]): Promise<void> {
    const wanted: RemoteObject[] = [];
    for (const entry of data) {
      const object = remoteObject(list, entry);
      if (object === undefined) continue;
      if (object.data?.attachment !== undefined && list.kind === "record") attachments += 1;
      const outcome = await outcomeOf(storage, list.key, object);
      counts[outcome] += 1;
      if (outcome === "new" || outcome === "changed") wanted.push(object);
    }
    for (let start = 0; start < wanted.length; start += batchSize)
      await write(list, await withPermissions(list, wanted.slice(start, start + batchSize)));
    done += data.length;
    total = Math.max(total, done);
    progress?.(done, total);
  }

  /** Lists don't show permissions. What is read with them is newer than the page, or as new. */
  async function withPermissions(list: RemoteList, objects: readonly RemoteObject[]): Promise<readonly RemoteObject[]> {
    const live = objects.filter(({ data }) => data !== undefined);
    if (live.length === 0) return objects;
    const answers = await remote.batch(live.map(({ id }) => `${list.path}/${id}`));
    const found = new Map<string, RemoteObject>();
    for (const [at, { status, body }] of answers.entries()) {
      const asked = live[at];
      if (asked === undefined) continue;
      const own = status === 200 ? remoteObject(list, (body?.data ?? {}) as JsonObject) : undefined;
      if (own === undefined) {
        // Deleted since the page was read: the next run tells.
        if (status !== 404) problem(`${list.path}/${asked.id}: ${status}, its permissions are not known`);
        found.set(asked.id, asked);
        continue;
      }
      const permissions = shown(list.kind, body.permissions);
      if (permissions === undefined) hidden.set(list.kind, (hidden.get(list.kind) ?? 0) + 1);
      found.set(asked.id, { ...own, permissions });
    }
    return objects.map((object) => found.get(object.id) ?? object);
  }

  async function write(list: RemoteList, objects: readonly RemoteObject[]): Promise<void> {
    const logBody = logsBodies.get(list.kind) ?? true;
    const prepared = await Promise.all(objects.map((object) => changesOf(storage, list.key, object, { logBody })));
    try {
      await storage.commit(prepared.flat());
    } catch {
      // One of them can't be kept here; the others can.
      for (const [at, changes] of prepared.entries())
        await storage.commit(changes).catch((error: unknown) => {
          problem(`${list.path}/${objects[at]?.id}: ${error instanceof Error ? error.message : String(error)}`);
        });
    }
  }

  async function copyAccounts(): Promise<void> {
    const list: RemoteList = { kind: "account", key: { resource: "account", parent: "" }, path: "/accounts" };
    let without = 0;
    try {
      for await (const { data } of remote.pages(`${list.path}?_limit=${pageSize}&_sort=last_modified`)) {
        const hashed = data.filter(({ password }) => typeof password === "string" && /^\$2[aby]\$/.test(password));
        without += data.length - hashed.length;
        await copyPage(list, hashed);
      }
    } catch (error) {
      if (!isRefusal(error)) throw error;
      problem(error.message);
    }
    if (without > 0) problem(`/accounts: ${without} without a hash of their password: the server does not show them`);
  }

  async function* idsOf(list: RemoteList): AsyncGenerator<string> {
    try {
      for await (const { data } of remote.pages(`${list.path}?_limit=${pageSize}&_fields=id`))
        for (const { id } of data) if (isId(list.kind, id)) yield id;
    } catch (error) {
      // Told when the list itself is copied.
      if (!isRefusal(error)) throw error;
    }
  }

  async function totalOf({ path }: RemoteList): Promise<number> {
    try {
      const { headers } = await remote.head(path);
      return Number(headers.get("total-objects") ?? headers.get("total-records") ?? 0);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return 0;
    }
  }

  function remoteObject({ kind, path }: RemoteList, entry: JsonObject): RemoteObject | undefined {
    const { id, last_modified: revision, deleted } = entry;
    if (isId(kind, id) && typeof revision === "number" && Number.isSafeInteger(revision) && revision > 0)
      return { id, revision, data: deleted === true && isTombstone(entry) ? undefined : entry };
    problem(`${path}: an object whose id or last_modified is none here: ${JSON.stringify(id)?.slice(0, 100)}`);
    return undefined;
  }

  function problem(text: string): void {
    if (problems.length < mostProblems) problems.push(text);
    else moreProblems += 1;
  }
}

function isTombstone(entry: JsonObject): boolean {
  return Object.keys(entry).every((name) => name === "id" || name === "last_modified" || name === "deleted");
}

function isId(kind: Kind, id: unknown): id is string {
  return typeof id === "string" && (kind === "account" ? idPatterns.account : idPatterns.other).test(id);
}

/** Undefined where there are none to see: who may write an object sees at least themselves. */
function shown(kind: Kind, permissions: unknown): Permissions | undefined {
  const entries = Object.entries((permissions ?? {}) as Readonly<Record<string, unknown>>).flatMap(
    ([name, principals]) =>
      permissionsOf[kind].includes(name) && Array.isArray(principals) ? [[name, principals.map(String)] as const] : [],
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Of one list; everything else ends the import. */
function isRefusal(error: unknown): error is RemoteError {
  return error instanceof RemoteError && error.status !== undefined && [401, 403, 404, 405].includes(error.status);
}
