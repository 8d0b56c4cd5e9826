/**
 * What a transaction has written, laid over what it knows, and sent when somebody asks the database for what that may change, or at the end: many writes
 * go out in as many statements as one, and a write whose questions are answered waits for nothing.
 */
import { type Draft, type DraftMark, draftOf, type Loaded, nameOf, nameOfList } from "../draft.ts";
import { findings, gathered, together } from "../draft-questions.ts";
import { answerable, draftedObject, makeSteps, type Wanted } from "../draft-steps.ts";
import type { Permissions } from "../permissions.ts";
import type { ListKey, ObjectKey, StoredEntry } from "../storage.ts";
import type { Connection, Statement } from "./connection.ts";
import { knownBy } from "./known.ts";
import { answersTo } from "./load.ts";
import { type ListRow, readEntry } from "./point-reads.ts";
import { saveStatements } from "./save.ts";
import type { Store } from "./steps.ts";

export interface WorkingDraft {
  /** Makes one commit, or gives a list its revision. @throws its conflict, or what the backend throws */
  make<T>(wanted: Wanted): Promise<T>;
  get(key: ObjectKey): Promise<StoredEntry | undefined>;
  list(key: ListKey): Promise<ListRow | undefined>;
  permissionsOf(key: ObjectKey): Promise<Permissions>;
  groupsOf(member: string): Promise<ReadonlySet<string>>;
  /** Of the newest entry of the log. */
  position(): Promise<number>;
  /** Sends what is not sent yet, ahead of whatever is sent next. `isToWrite`: that writes, and is to be taken back with the open parts. */
  send(isToWrite?: boolean): void;
  /** Something was written past the draft. */
  forget(): void;
  /** Entries of the log were sent. */
  readonly isLogged: boolean;
  beginPart(): void;
  keepPart(): void;
  takePartBack(): void;
}

export interface WorkingDraftOptions {
  readonly store: Store;
  /** Runs statements that see what was sent. */
  readonly connection: Pick<Connection, "run">;
  /** Sends a statement whose answer nobody waits for: its failure is one of the transaction. */
  readonly pass: (statement: Statement | string) => void;
}

interface Part {
  readonly mark: DraftMark;
  /** It has its savepoint: the database has seen something of it. */
  isSent: boolean;
}

/** Where there is more it is sent, so that it does not fill memory. */
const mostUnsent = 500;
const mostUnsentSize = 1_000_000;

export function workingDraft({ store, connection, pass }: WorkingDraftOptions): WorkingDraft {
  const { resourceOf, now } = store;
  const known = knownBy(connection, resourceOf);
  /** Names of entries of which nobody has looked whether they are there: they are new. */
  const unseen = new Set<string>();
  const parts: Part[] = [];
  /** What the commit that is being made has asked. */
  let asked = findings().loaded(0);
  let draft = newDraft();
  let unsentSize = 0;
  let isLogged = false;

  function newDraft(): Draft {
    const loaded: Loaded = {
      get position() {
        return known.position ?? 0;
      },
      list: (key) => known.lists.get(nameOfList(key)),
      entry: (key) => known.entries.get(nameOf(key)),
      idsAt: (key, revision) => asked.idsAt(key, revision),
      holders: (...question) => asked.holders(...question),
    };
    return draftOf(loaded, resourceOf);
  }

  /** Asks what is not known. */
  async function learn(wanted: Wanted): Promise<void> {
    known.trim();
    const isKnown = (name: string) => known.entries.has(name) || draft.entries.has(name) || unseen.has(name);
    for (const change of wanted.changes) {
      if (change.kind !== "put" || change.expect.kind !== "absent" || change.expect.isNew !== true) continue;
      const name = nameOf(change.key);
      if (!isKnown(name)) unseen.add(name);
    }
    const { lists, keys, wishes, claims } = gathered(answerable([wanted], resourceOf), resourceOf);
    const unknown = {
      lists: lists.filter((key) => !known.lists.has(nameOfList(key)) && !draft.lists.has(nameOfList(key))),
      keys: new Map(
        [...keys]
          .map(([resource, wanted]) => [resource, wanted.filter((key) => !isKnown(nameOf(key)))] as const)
          .filter(([, wanted]) => wanted.length > 0),
      ),
      ...{ wishes, claims },
    };
    const found = findings();
    asked = found.loaded(0);
    const waiting = answersTo(connection, unknown, found, resourceOf);
    if (waiting.length === 0 && known.position !== undefined) return;
    await together([known.newest(), ...waiting]);
    for (const key of unknown.lists) known.lists.set(nameOfList(key), asked.list(key));
    for (const key of [...unknown.keys.values()].flat()) known.entries.set(nameOf(key), asked.entry(key));
  }

  function isEmpty(): boolean {
    const { entries, lists, log, groups, forgotten } = draft;
    return entries.size + lists.size + log.length + groups.size + forgotten.size === 0;
  }

  function send(isToWrite = false): void {
    const unsent = parts.filter(({ isSent }) => !isSent);
    if (isEmpty() && !(isToWrite && unsent.length > 0)) return;
    // Each open part gets its savepoint behind what was written before it.
    const again = unsent.map(({ mark }) => ({ mark, redo: () => {} }));
    for (const step of [...again].reverse()) step.redo = draft.back(step.mark);
    let logged = sendDraft(0);
    for (const [index, part] of unsent.entries()) {
      pass("SAVEPOINT part");
      part.isSent = true;
      const before = draft.mark();
      again[index]?.redo();
      const after = draft.mark();
      if (after.steps > before.steps || after.log > before.log) logged = sendDraft(logged);
    }
    known.learn(draft);
    isLogged ||= logged > 0;
    begin();
  }

  /** @param logged entries of the log that were sent before; answers how many are sent now */
  function sendDraft(logged: number): number {
    const position = known.position ?? 0;
    for (const statement of saveStatements(draft, { position, resourceOf, logged, unseen })) pass(statement);
    for (const name of draft.entries.keys()) unseen.delete(name);
    return draft.log.length;
  }

  function begin(): void {
    draft = newDraft();
    unsentSize = 0;
  }

  return {
    async make<T>(wanted: Wanted) {
      await learn(wanted);
      const [outcome] = await makeSteps(draft, [wanted], {
        resourceOf,
        now,
        stored: (key) => readEntry(connection, resourceOf(key.resource), key),
      });
      if (outcome?.status !== "fulfilled") throw outcome?.reason;
      for (const change of wanted.changes) if (change.kind === "put") unsentSize += change.body.length;
      if (draft.entries.size + draft.log.length > mostUnsent || unsentSize > mostUnsentSize) send();
      return outcome.value as T;
    },

    async get(key) {
      const drafted = draft.entries.get(nameOf(key));
      return drafted === undefined ? known.get(key) : draftedObject(drafted);
    },

    async list(key) {
      const drafted = draft.lists.get(nameOfList(key));
      return drafted === undefined ? known.list(key) : [drafted.revision, drafted.purged];
    },

    async permissionsOf(key) {
      const drafted = draft.entries.get(nameOf(key))?.permissions;
      if (drafted !== undefined) return drafted;
      if (draft.forgotten.size > 0) send();
      return known.permissionsOf(key);
    },

    async groupsOf(member) {
      if (draft.groups.size + draft.forgotten.size > 0) send();
      return known.groupsOf(member);
    },

    position: async () => (await known.newest()) + draft.log.length,

    send,
    forget: () => known.forget(),
    get isLogged() {
      return isLogged;
    },

    beginPart: () => void parts.push({ mark: draft.mark(), isSent: false }),
    keepPart() {
      if (parts.pop()?.isSent === true) pass("RELEASE part");
    },
    takePartBack() {
      const part = parts.pop();
      if (part === undefined) return;
      if (part.isSent) {
        pass("ROLLBACK TO part; RELEASE part");
        known.forget();
        begin();
      } else draft.back(part.mark);
    },
  };
}
