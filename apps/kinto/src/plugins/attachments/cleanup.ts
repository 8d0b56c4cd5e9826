/**
 * Removes files that no record has any more: told by the log, at least once, whatever ends in between. At the start everything is looked
 * through, for what a crash or a restored store left.
 */
import { type BackgroundTask, consume, type ServiceContext } from "rouage";
import { CommitConflict, type LogEntry } from "rouage/storage";
import type { AttachmentSettings } from "./attachment-settings.ts";
import type { FileStore } from "./file-store.ts";
import {
  allLinks,
  attachmentOf,
  isAt,
  type Link,
  linkChange,
  linkList,
  linkRemoval,
  linksBelow,
  linksInState,
  type RecordPlace,
  releasedType,
} from "./links.ts";

const consumerName = "attachment-files";
/** Between two looks for what uploads left that never came to their end. */
const sweepMs = 10 * 60_000;

export function cleanupTask(files: FileStore, settings: AttachmentSettings): BackgroundTask {
  return {
    name: consumerName,
    once: true,
    async start(context) {
      const cleaning = cleanup(context, files, settings);
      const { storage, log } = context;
      const stopping = new AbortController();
      const isOver = () => stopping.signal.aborted;
      const guarded = async (work: () => Promise<void>) => {
        try {
          await work();
        } catch (error) {
          if (!isOver()) log.warn({ err: error }, "attachments could not be looked through, will be tried again");
        }
      };
      const lookThrough = async () => {
        for await (const link of allLinks(storage)) if (!isOver()) await cleaning.settle(link);
      };
      let sweeping = guarded(() => cleaning.sweep(isOver)).then(() => guarded(lookThrough));
      const timer = setInterval(() => {
        sweeping = sweeping.then(() => guarded(() => cleaning.sweep(isOver)));
      }, sweepMs).unref();
      const end = await consume({
        name: consumerName,
        source: storage,
        resources: [linkList.resource, "collection", "bucket"],
        handle: cleaning.handle,
      }).start(context);
      return async () => {
        stopping.abort();
        clearInterval(timer);
        await end();
        await sweeping;
      };
    },
  };
}

export interface Cleanup {
  handle(entry: LogEntry): Promise<void>;
  /** Removes the file of a link that its record does not name any more. */
  settle(link: Link): Promise<void>;
  /** Removes what uploads left whose request is long over. */
  sweep(isOver: () => boolean): Promise<void>;
}

export function cleanup(
  { storage, clock, settings: { request_timeout_seconds: seconds } }: ServiceContext,
  files: FileStore,
  settings: AttachmentSettings,
): Cleanup {
  /** Reads the link ahead of the record: what the record names then is not older than the link. */
  async function settle(link: Link): Promise<void> {
    if (link.state === "doomed") return remove(link);
    if (link.state === "pending") return;
    const attachment = await attachmentOf(storage, link);
    if (isAt(attachment?.location, link.location)) return;
    await remove(link);
  }

  async function remove(link: Link): Promise<void> {
    const { keepOldFiles } = settings.rulesFor(link.bucket, link.collection);
    if (!keepOldFiles || link.state === "doomed") await files.remove(link.location);
    await storage.commit([linkRemoval(link)]).catch(unlessChanged);
  }

  /** The record's write fails from here on, so that it cannot name a file that goes. */
  async function doom(link: Link): Promise<void> {
    const isGone = await storage.commit([linkChange(link, "doomed")]).then(() => false, unlessChanged);
    if (isGone !== true) await remove({ ...link, state: "doomed" });
  }

  return {
    settle,

    async handle({ resource, parent, id, action, type, body }) {
      if (resource === linkList.resource) {
        if (action !== "event" || type !== releasedType || body === undefined) return;
        await settleBelow(JSON.parse(body) as RecordPlace);
      } else if (action === "delete")
        await settleBelow(
          resource === "bucket" ? { bucket: id } : { bucket: parent.split("/")[1] ?? "", collection: id },
        );
    },

    async sweep(isOver) {
      // Requests under way are given up after twice the limit at the latest.
      const before = clock.now() - 3 * seconds * 1000;
      await files.sweep(before);
      for await (const link of linksInState(storage, "pending")) {
        if (isOver()) return;
        if (link.since < before) await doom(link);
      }
      for await (const link of linksInState(storage, "doomed")) await remove(link);
    },
  };

  async function settleBelow(place: Partial<RecordPlace>): Promise<void> {
    for await (const link of linksBelow(storage, place)) await settle(link);
  }
}

function unlessChanged(error: unknown): true {
  if (error instanceof CommitConflict) return true;
  throw error;
}
