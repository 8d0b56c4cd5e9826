/** The thread that moves what the write-ahead log holds into the database, so that no request waits for it. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

export type CheckpointMode = "PASSIVE" | "RESTART" | "TRUNCATE";
export type CheckpointAnswer = { readonly error?: unknown };

const connection = new DatabaseSync(String(workerData), { timeout: 200 });

parentPort?.on("message", (mode: CheckpointMode | "close") => {
  if (mode === "close") {
    connection.close();
    parentPort?.close();
    return;
  }
  let answer: CheckpointAnswer = {};
  try {
    connection.exec(`PRAGMA wal_checkpoint(${mode})`);
  } catch (error) {
    answer = { error };
  }
  parentPort?.postMessage(answer);
});
