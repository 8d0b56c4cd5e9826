/** The driver, loaded when a URL asks for it: who keeps nothing in PostgreSQL need not install it. */
import type pg from "pg";

export type Driver = typeof pg;

/** @throws Error that says what to install */
export async function loadDriver(): Promise<Driver> {
  try {
    return (await import("pg")).default;
  } catch (cause) {
    throw new Error("storage in PostgreSQL needs the package pg: npm install pg", { cause });
  }
}
