/** Smoke run of the README's start command: starts `npm start` on an empty folder, does one thing of each kind, stops it with SIGTERM. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "urgence-smoke-"));
const port = await freePort();
const child = spawn("npm", ["start"], {
  env: {
    ...process.env,
    PORT: String(port),
    URGENCE_STORAGE: `sqlite:${join(folder, "data")}`,
    URGENCE_MAIL: `file:${join(folder, "mail")}`,
  },
  stdio: ["ignore", "pipe", "pipe"],
  detached: true,
});
let output = "";
child.stdout.on("data", (data) => {
  output += data;
});
child.stderr.on("data", (data) => {
  output += data;
});
const exited = new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code)));

try {
  const origin = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${origin}/readyz`)).ok, 60_000);
  for (const path of [
    "/",
    "/ping/",
    "/signin/",
    "/v1/",
    "/v1/openapi.json",
    "/v1/docs",
    "/livez",
    "/v1/__heartbeat__",
  ]) {
    const response = await fetch(origin + path);
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}`);
    process.stdout.write(`GET ${path} ${response.status}\n`);
  }
  const refused = await fetch(`${origin}/v1/me/profile`);
  if (refused.status !== 401) throw new Error(`GET /v1/me/profile without a token answered ${refused.status}`);
  // npm passes the signal on to the server it started.
  process.kill(-(child.pid ?? 0), "SIGTERM");
  await Promise.race([
    exited,
    new Promise((_, reject) => setTimeout(() => reject(new Error("did not stop on SIGTERM")), 15_000)),
  ]);
  process.stdout.write("start command: 1 passed, 0 failed\n");
} catch (error) {
  process.stderr.write(`${output}\nsmoke run failed: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  try {
    process.kill(-(child.pid ?? 0), "SIGKILL");
  } catch {
    // It has ended already.
  }
  rmSync(folder, { recursive: true, force: true });
}

async function until(condition: () => Promise<boolean>, timeout: number): Promise<void> {
  const end = Date.now() + timeout;
  while (Date.now() < end) {
    if (await condition().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not ready after ${timeout} ms`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
