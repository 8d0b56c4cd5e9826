/** `rouage/workers`: several processes of one program behind one port. Loads next to nothing. Re-exports only. */
export { type EarlyOptions, supervisesEarly } from "./early.ts";
export { type SuperviseOptions, supervise } from "./supervise.ts";
export { workerNumber } from "./worker-number.ts";
