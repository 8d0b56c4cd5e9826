/** What the doctor says: a line for each symptom and one for its remedy, or JSON. */
import type { Symptom } from "../../storage/symptom.ts";

export interface Report {
  /** No error was found. */
  readonly ok: boolean;
  readonly name: string;
  readonly symptoms: readonly Symptom[];
}

export function reportOf(name: string, symptoms: readonly Symptom[]): Report {
  return { ok: symptoms.every(({ level }) => level !== "error"), name, symptoms };
}

export function reportText({ name, symptoms }: Report): string {
  if (symptoms.length === 0) return `${name}: nothing is wrong\n`;
  return symptoms
    .map(({ level, about, message, remedy }) => `${level}: ${message} [${about}]\n    ${remedy}\n`)
    .join("");
}
