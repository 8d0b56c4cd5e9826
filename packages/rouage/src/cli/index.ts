/** `rouage/cli`: commands on a running service's store, for applications that have a command line of their own. */
export { backUp, countOf, type LedgerChoice, ledgerOf, putBack } from "./backup.ts";
export { endWithOutput } from "./closed-output.ts";
export { dumpService, loadIntoService } from "./copies.ts";
export { printReport, unreadable } from "./doctor/doctor.ts";
export { examine, examinePrivate, type Patient, patientOf } from "./doctor/examine-service.ts";
export { type ProgressBar, type ProgressOutput, progressBar } from "./progress.ts";
