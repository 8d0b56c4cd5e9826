/** Verifies bcrypt hashes of imported users, in a thread of its own: bcrypt in JavaScript takes a good part of a second of a core. */
import { Worker } from "node:worker_threads";

/** True for a hash that `verifyBcrypt` can judge; costs beyond 15 would take minutes. */
export function isBcrypt(hash: string): boolean {
  return /^\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/.test(hash);
}

/** Whether the password is the hashed one. The thread lives for this one check: users sign in by such a hash once, then it is replaced. */
export async function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const thread = new Worker(new URL(`./bcrypt-worker.${extension}`, import.meta.url), {
    workerData: { password, hash },
  });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.once("exit", () => reject(new Error("the thread ended without an answer")));
    return (await promise) === true;
  } finally {
    await thread.terminate();
  }
}
