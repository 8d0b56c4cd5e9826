import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { authRequest } from "../auth/testing.ts";
import { manualClock } from "../clock.ts";
import { ServiceError } from "../errors.ts";
import type { HttpResponse } from "../http.ts";
import { silentLogger } from "./log.ts";
import { createProfiler, type Profiler } from "./profiler.ts";
import { profilerEndpoint } from "./profiler-endpoint.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "profiles-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** Shows up in a profile under its own name. */
function burnTime(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) JSON.stringify({ at: end });
}

describe("the profiler", () => {
  test("a CPU profile names the functions that took the time, in a file of its owner's", async (t) => {
    const path = folder(t);
    const profiler = createProfiler({ clock: manualClock() });
    const saved = profiler.save("cpu", join(path, "new"), { seconds: 0.2 });
    const busy = setInterval(() => burnTime(20), 25);
    t.after(() => clearInterval(busy));
    const file = await saved;
    assert.match(file, /new\/cpu-2026-01-01T00-00-00-000Z-\d+\.cpuprofile$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const profile = JSON.parse(readFileSync(file, "utf8"));
    assert.ok(profile.endTime > profile.startTime && profile.samples.length > 0 && profile.timeDeltas.length > 0);
    const names = profile.nodes.map((node: { callFrame: { functionName: string } }) => node.callFrame.functionName);
    assert.ok(names.includes("burnTime"));
  });

  test("a profile of allocations and a snapshot of the heap are what DevTools expects", async () => {
    const profiler = createProfiler();
    const { content, fileName } = await profiler.take("heap", { seconds: 0.05 });
    assert.match(fileName, /\.heapprofile$/);
    const heap = JSON.parse(await text(content));
    assert.ok("head" in heap && Array.isArray(heap.samples));

    const snapshot = await profiler.take("snapshot", { seconds: 1 });
    assert.match(snapshot.fileName, /\.heapsnapshot$/);
    const { meta } = JSON.parse(await text(snapshot.content)).snapshot;
    assert.ok(Array.isArray(meta.node_fields));
  });

  test("one at a time; the next may follow when it has ended, also when it was given up or failed", async (t) => {
    const profiler = createProfiler({ clock: manualClock() });
    const giveUp = new AbortController();
    const first = profiler.take("cpu", { seconds: 60, signal: giveUp.signal });
    await assert.rejects(profiler.take("heap", { seconds: 1 }), { code: "too-many-requests" });
    giveUp.abort(new Error("enough"));
    await assert.rejects(first, /enough/);

    const path = folder(t);
    const options = { seconds: 0.01 };
    const file = await profiler.save("heap", path, options);
    const before = readFileSync(file);
    await assert.rejects(profiler.save("heap", path, options), { code: "EEXIST" });
    assert.deepEqual(readFileSync(file), before, "what is there is not written over");
    await assert.rejects(profiler.save("heap", join(file, "no-folder"), options));
    (await profiler.take("heap", options)).content.destroy();
    assert.deepEqual(readdirSync(path).length, 1);
  });
});

describe("its endpoint", () => {
  const token = "a token of the operator";
  const encoded = "a-token-of-the-operator";

  function endpoint(profiler: Profiler = createProfiler()) {
    const stop = new AbortController();
    const handle = profilerEndpoint({ profiler, token: encoded, log: silentLogger, seconds: 10, signal: stop.signal });
    const post = (url: string, authorization = `Bearer ${encoded}`, signal?: AbortSignal) =>
      handle({
        ...authRequest({ url, headers: { authorization }, ...(signal === undefined ? {} : { signal }) }),
        method: "POST",
      });
    return { handle, post, stop };
  }

  const code = async (answer: Promise<HttpResponse> | undefined): Promise<string> => {
    try {
      return String((await answer)?.status);
    } catch (error) {
      assert.ok(ServiceError.is(error), String(error));
      return error.code;
    }
  };

  test("gives a profile to who has the token", async () => {
    const answer = await endpoint().post("/profile/cpu?seconds=1");
    assert.equal(answer?.status, 200);
    assert.match(String(answer?.headers["content-disposition"]), /^attachment; filename="cpu-.+\.cpuprofile"$/);
    const profile = (await new Response(answer?.body as ReadableStream).json()) as { nodes: unknown[] };
    assert.ok(profile.nodes.length > 0);
  });

  test("to nobody else, whatever they ask for", async () => {
    const { handle, post } = endpoint();
    for (const authorization of ["", "Bearer", "Bearer wrong-token-of-somebody", `Basic ${encoded}`, token])
      for (const path of ["/profile/cpu", "/profile/nothing"])
        assert.match(await code(post(path, authorization)), /credentials$/);
    assert.equal(await code(handle(authRequest({ url: "/profile/cpu" }))), "missing-credentials");
  });

  test("other kinds, methods and durations are refused; other paths are not its business", async () => {
    const { handle, post } = endpoint();
    assert.equal(await code(post("/profile/disk")), "route-not-found");
    const headers = { authorization: `Bearer ${encoded}` };
    assert.equal(await code(handle(authRequest({ url: "/profile/cpu", headers }))), "method-not-allowed");
    for (const seconds of ["0", "61", "1e1", "-1", "", "x", "1.5"])
      assert.equal(await code(post(`/profile/cpu?seconds=${seconds}`)), "invalid-parameters");
    for (const path of ["/metrics", "/", "//", "/profile", "http://x/profile/cpu"]) assert.equal(post(path), undefined);
  });

  test("ends early when the client goes away and when the process stops", async () => {
    const profiler = createProfiler();
    const client = new AbortController();
    const asked = code(endpoint(profiler).post("/profile/cpu?seconds=60", undefined, client.signal));
    client.abort();
    assert.equal(await asked, "unavailable");
    const { post, stop } = endpoint(profiler);
    const again = code(post("/profile/cpu?seconds=60"));
    stop.abort();
    assert.equal(await again, "unavailable");
  });
});
