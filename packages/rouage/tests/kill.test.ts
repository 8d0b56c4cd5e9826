/** SIGKILL during concurrent writes: whatever was acknowledged is there after the restart, with its log entry; nothing is half-written. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../src/clock.ts";
import { openStorage } from "../src/storage/index.ts";

const rounds = 50;
const writers = 16;

/** What one writer knows of its note. */
interface Note {
  readonly id: string;
  /** The last value the server acknowledged; undefined before the first. */
  acknowledged: number | undefined;
  /** The value under way when the server died. */
  pending: number | undefined;
}

test(`after each of ${rounds} SIGKILLs every acknowledged write and its log entry are there, none half-written`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouage-kill-"));
  const url = `sqlite:${join(folder, "notes.db")}`;
  let position = 0;
  let acknowledged = 0;
  let interrupted = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const notes = await writeUntilKilled(url);
      acknowledged += notes.filter((note) => note.acknowledged !== undefined).length;
      interrupted += notes.filter((note) => note.pending !== undefined).length;
      position = await verify(url, notes, position, round);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  assert.ok(acknowledged > rounds, `only ${acknowledged} notes were acknowledged: the test proves nothing`);
  assert.ok(interrupted > rounds, `only ${interrupted} writes were cut short: the test proves nothing`);
});

async function writeUntilKilled(url: string): Promise<readonly Note[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "notes-server.ts"), url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const origin = await firstLine(child);
  const agent = new Agent({ keepAlive: true, maxSockets: writers });
  const notes: Note[] = [];
  const writing = Array.from({ length: writers }, () => write(origin, agent, notes));
  // A new moment each time, from the first writes to some hundreds.
  setTimeout(() => child.kill("SIGKILL"), randomInt(5, 120));
  await Promise.all(writing);
  await exited;
  agent.destroy();
  return notes;
}

/** Creates notes and rewrites each a few times, until the server is gone. */
async function write(origin: string, agent: Agent, notes: Note[]): Promise<void> {
  for (;;) {
    const note: Note = { id: randomUUID(), acknowledged: undefined, pending: undefined };
    notes.push(note);
    for (let n = 0; n < 3; n++) {
      note.pending = n;
      const status = await put(origin, agent, note.id, n).catch(() => undefined);
      if (status === undefined) return;
      assert.equal(status, n === 0 ? 201 : 200);
      note.acknowledged = n;
      note.pending = undefined;
    }
  }
}

/** The status; rejects when the connection breaks before the answer is complete. */
function put(origin: string, agent: Agent, id: string, n: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ data: bodyOf(id, n) });
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request(`${origin}/v1/notes/${id}`, { method: "PUT", agent, headers }, (response) => {
      response.on("error", reject);
      response.on("end", () => resolve(response.statusCode ?? 0));
      response.resume();
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function bodyOf(id: string, n: number): { readonly n: number; readonly text: string } {
  return { n, text: `${id} ${n}`.repeat(20) };
}

/** Checks the store against what the writers know; answers the log's end. */
async function verify(url: string, notes: readonly Note[], after: number, round: number): Promise<number> {
  await using storage = await openStorage(url, { clock: systemClock });
  await storage.define([{ resource: "notes", indexes: [], unique: [] }]);
  const logged = new Map<string, { readonly revision: number; readonly body: string }>();
  for await (const entry of storage.log({ after, resources: ["notes"] })) {
    assert.ok(entry.body !== undefined);
    logged.set(entry.id, { revision: entry.revision, body: entry.body });
  }
  for (const { id, acknowledged, pending } of notes) {
    const where = `round ${round}, note ${id}, acknowledged ${acknowledged}, pending ${pending}`;
    const stored = await storage.get({ resource: "notes", parent: "", id });
    const entry = logged.get(id);
    if (acknowledged !== undefined) assert.ok(stored !== undefined && entry !== undefined, `lost: ${where}`);
    if (stored === undefined) {
      assert.equal(entry, undefined, `logged but not stored: ${where}`);
      continue;
    }
    assert.equal(stored.kind, "object");
    const body = stored.kind === "object" ? stored.body : "";
    assert.deepEqual(entry, { revision: stored.revision, body }, `log and object differ: ${where}`);
    const { n } = JSON.parse(body);
    assert.ok(n === acknowledged || n === pending, `has ${n}: ${where}`);
    assert.deepEqual(JSON.parse(body), bodyOf(id, n), `half-written: ${where}`);
  }
  assert.equal(logged.size, notes.filter(({ id }) => logged.has(id)).length, "the log knows notes nobody wrote");
  return storage.position();
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (data) => {
      output += data;
      const end = output.indexOf("\n");
      if (end >= 0) resolve(output.slice(0, end));
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}
