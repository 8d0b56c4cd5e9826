/** Processes of the service, made ahead so that a test waits for their start only once, and a client of theirs. */
import { type ChildProcess, spawn } from "node:child_process";
import { Agent, request } from "node:http";
import { join } from "node:path";

export interface ServiceProcess extends AsyncDisposable {
  readonly origin: string;
  readonly pid: number;
  send(method: string, path: string, data?: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  /** Ends it at once, and resolves when it is gone. */
  kill(): Promise<void>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** JSON, undefined where there is none. */
  readonly body: Body | undefined;
}

interface Body {
  readonly data?: { readonly id?: string; readonly n?: number };
  readonly responses?: readonly { readonly status: number }[];
  readonly errno?: number;
  readonly [check: string]: unknown;
}

export interface Spare {
  start(settings: Readonly<Record<string, unknown>>): Promise<ServiceProcess>;
  kill(): void;
}

/** A process that has loaded everything and waits for its settings. */
export function spareProcess(script = join(import.meta.dirname, "service-process.ts")): Spare {
  const child = spawn(process.execPath, [script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {});
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    async start(settings) {
      child.stdin.write(`${JSON.stringify(settings)}\n`);
      const origin = await firstLine(child);
      const agent = new Agent({ keepAlive: true, maxSockets: 256 });
      const kill = async () => {
        child.kill("SIGKILL");
        await gone;
        agent.destroy();
      };
      return {
        origin,
        pid: child.pid ?? 0,
        send: (method, path, data, headers) => send(agent, `${origin}/v1${path}`, method, data, headers),
        kill,
        [Symbol.asyncDispose]: kill,
      };
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

export function startService(settings: Readonly<Record<string, unknown>>): Promise<ServiceProcess> {
  return spareProcess().start(settings);
}

/** Rejects when the connection breaks before the answer is complete. */
function send(
  agent: Agent,
  url: string,
  method: string,
  value: unknown,
  more: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const body = value === undefined ? "" : JSON.stringify(value);
    const headers = {
      ...(value === undefined ? {} : { "content-type": "application/json" }),
      ...(method === "GET" ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      ...more,
    };
    const sent = request(url, { method, agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => {
        text += part;
      });
      response.on("error", reject);
      response.on("aborted", () => reject(new Error("cut off")));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text === "" ? undefined : JSON.parse(text),
        }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.on("data", (data) => {
      output += data;
      const end = output.indexOf("\n");
      if (end >= 0) resolve(output.slice(0, end));
    });
    child.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
  });
}
