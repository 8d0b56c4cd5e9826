/** `rouage/runtime/node`: services behind ports of Node.js, and the life of a main program. Re-exports only. */
export { type Handler, type ListenOptions, listen, type Server } from "./node.ts";
export { type Runnable, type RunningServer, run, serve } from "./run.ts";
export { exitCodes, type MainOptions, runUntilSignal } from "./signals.ts";
