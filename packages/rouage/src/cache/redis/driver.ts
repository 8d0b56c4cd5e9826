/** The driver, loaded when a URL asks for it: who has no cache in Redis need not install it. */
import type redis from "@redis/client";

export type Driver = typeof redis;

/** What is used of the driver's client. */
export interface Client {
  on(event: "error", listener: (error: unknown) => void): unknown;
  connect(): Promise<unknown>;
  sendCommand<T>(command: readonly string[]): Promise<T>;
  destroy(): void;
}

/** @throws Error that says what to install */
export async function loadDriver(): Promise<Driver> {
  try {
    return await import("@redis/client");
  } catch (cause) {
    throw new Error("a cache in Redis needs the package @redis/client: npm install @redis/client", { cause });
  }
}
