/** `rouage/cli`: commands on a running service's store, for applications that have a command line of their own. */
export { dumpService, loadIntoService } from "./copies.ts";
export { type ProgressBar, type ProgressOutput, progressBar } from "./progress.ts";
