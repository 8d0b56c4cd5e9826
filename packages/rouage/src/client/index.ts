/** `rouage/client`: what generated clients stand on. Runs wherever `fetch` does. */
export { ClientError } from "./client-error.ts";
export { connect } from "./connect.ts";
export type * from "./types.ts";
