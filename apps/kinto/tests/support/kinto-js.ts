/** The npm package `kinto`, as it is, each client with a database of its own. */
import "fake-indexeddb/auto";
import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import kinto from "kinto";
import { authorizationOf } from "./running.ts";

export const { syncStrategy } = kinto.default as unknown as {
  readonly syncStrategy: {
    readonly CLIENT_WINS: string;
    readonly SERVER_WINS: string;
    readonly MANUAL: string;
    readonly PULL_ONLY: string;
  };
};

export interface Item {
  readonly id: string;
  readonly title?: string;
  readonly last_modified?: number;
}

/** A device of somebody: what it keeps is its own. */
export function deviceOf<T extends Item = Item>(remote: string, as: string, options: object = {}) {
  const device = new kinto.default({
    remote,
    events: new EventEmitter() as never,
    headers: { Authorization: authorizationOf(as) },
    adapterOptions: { dbName: randomUUID() },
    retry: 0,
    ...options,
  });
  return { device, items: device.collection<T>("items") };
}
