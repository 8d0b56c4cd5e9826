/**
 * A second throw-away server for tests: mongo-java-server, which has change streams and keeps everything in memory, so that what was written is gone
 * with its process. Not for production.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

export interface StreamingServer extends AsyncDisposable {
  /** URL without a database. */
  readonly url: string;
  readonly port: number;
  /** SIGKILL: everything that it kept is gone. */
  kill(): Promise<void>;
  /** Again, on the same port. */
  start(): Promise<void>;
}

/** Where `npm run services` builds it, outside of the project. */
export function streamingFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "rouage", "mongo-java-server-1.47.0");
}

export function streamingSource(): string {
  const folder = join(import.meta.dirname, "../../../../../scripts/mongo-java-server");
  return readFileSync(join(folder, "StreamingServer.java"), "utf8");
}

/** Whether it is built, and from the source that is here. */
export function hasStreamingServer(): boolean {
  const built = join(streamingFolder(), "StreamingServer.java");
  return existsSync(built) && readFileSync(built, "utf8") === streamingSource();
}

/** Why tests that need change streams are skipped; false: they are not. In CI a missing server is a failure. */
export function withoutStreams(): string | false {
  if (hasStreamingServer() || process.env.CI !== undefined) return false;
  return "mongo-java-server is not installed: `npm run services` builds it";
}

export async function startStreamingServer(): Promise<StreamingServer> {
  if (!hasStreamingServer()) throw new Error("mongo-java-server is not built: run `npm run services`");
  const folder = streamingFolder();
  let server: ChildProcess | undefined;
  let port = 0;

  async function start(): Promise<void> {
    const started = spawn(
      "java",
      [
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xmx1g",
        // Each connection has a thread of its own: who waits for a stream keeps it.
        "-Dio.netty.eventLoopThreads=500",
        "-cp",
        [join(folder, "classes"), join(folder, "lib", "*")].join(delimiter),
        "StreamingServer",
        String(port),
      ],
      // It ends with its input, so that nobody has to remember it.
      { stdio: ["pipe", "pipe", "pipe"] },
    );
    server = started;
    port = await new Promise<number>((resolve, reject) => {
      const said: string[] = [];
      createInterface({ input: started.stderr }).on("line", (line) => said.push(line));
      createInterface({ input: started.stdout }).on("line", (line) => resolve(Number(line.replace("port ", ""))));
      started.once("error", reject);
      started.once("exit", (code) => reject(new Error(`the test server ended with ${code}:\n${said.join("\n")}`)));
    });
  }

  async function kill(): Promise<void> {
    const ending = server;
    server = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((resolve) => ending.once("exit", resolve));
    ending.kill("SIGKILL");
    await gone;
  }

  await start();
  return { url: `mongodb://127.0.0.1:${port}/`, port, kill, start, [Symbol.asyncDispose]: kill };
}
