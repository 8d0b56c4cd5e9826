/** The npm package `kinto-http`: its build for browsers, which needs nothing that Node.js lacks. Its build for Node.js names packages that it does not install. */
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import type * as client from "kinto-http";
import { authorizationOf } from "./running.ts";

const Client: typeof client.default.default = createRequire(import.meta.url)("kinto-http/dist/kinto-http.min.js");
export type KintoClient = InstanceType<typeof Client>;

export function clientOf(
  remote: string,
  as?: string,
  options: ConstructorParameters<typeof Client>[1] = {},
): KintoClient {
  return new Client(remote, {
    events: new EventEmitter(),
    ...options,
    headers: { ...(as !== undefined && { Authorization: authorizationOf(as) }), ...options.headers },
  });
}
