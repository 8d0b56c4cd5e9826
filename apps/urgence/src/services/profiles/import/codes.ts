/** The code systems an import understands, as tables. Sources: FHIR R4, IPS 1.1 and 2.0, LOINC, SNOMED CT, NCIt. */
import type { SectionName, Statement } from "../schema.ts";

/** Sections of an IPS Composition by LOINC code; `null`: known, but nothing of it belongs to the profile. */
export const sectionsByLoinc = new Map<string, SectionName | "past-conditions" | "what_matters" | null>([
  ["48765-2", "allergies"],
  ["11450-4", "conditions"],
  ["11348-0", "past-conditions"],
  ["10160-0", "medications"],
  ["46264-8", "devices"],
  ["104605-1", "alerts"],
  ["11369-6", "vaccinations"],
  ["47519-4", "operations"],
  ["10162-6", "pregnancy"],
  ["47420-5", "disabilities"],
  ["42348-3", "directives"],
  ["81338-6", "what_matters"],
  ["30954-2", null],
  ["8716-3", null],
  ["29762-2", null],
  ["18776-5", null],
]);

/** Codes that stand for a statement instead of an item. */
const absent = new Map<string, readonly [SectionName, Statement]>([
  ["716186003", ["allergies", "none-known"]],
  ["160244002", ["allergies", "none-known"]],
  ["no-known-allergies", ["allergies", "none-known"]],
  ["no-allergy-info", ["allergies", "no-information"]],
  ["160245001", ["conditions", "none-known"]],
  ["no-known-problems", ["conditions", "none-known"]],
  ["no-problem-info", ["conditions", "no-information"]],
  ["787481004", ["medications", "none-known"]],
  ["no-known-medications", ["medications", "none-known"]],
  ["no-medication-info", ["medications", "no-information"]],
  ["no-known-devices", ["devices", "none-known"]],
  ["no-device-info", ["devices", "no-information"]],
  ["787480003", ["operations", "none-known"]],
  ["no-known-procedures", ["operations", "none-known"]],
  ["no-procedure-info", ["operations", "no-information"]],
  ["no-known-immunizations", ["vaccinations", "none-known"]],
  ["no-immunization-info", ["vaccinations", "no-information"]],
]);

/** "No known food allergies" and the like: true, but about one kind of substance only. */
const partlyAbsent = new Map([
  ["no-known-medication-allergies", "no known medication allergies"],
  ["no-known-food-allergies", "no known food allergies"],
  ["no-known-environmental-allergies", "no known environmental allergies"],
  ["409137002", "no known drug allergies"],
  ["429625007", "no known food allergies"],
  ["428607008", "no known environmental allergies"],
  ["428197003", "no known latex allergy"],
  ["716220001", "no known allergy of one kind"],
  ["1003774007", "no known allergy of one kind"],
]);

export const absentUnknownSystem = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips";
export const snomed = "http://snomed.info/sct";
export const loinc = "http://loinc.org";

export type Absence =
  | { kind: "statement"; section: SectionName; statement: Statement }
  | { kind: "part"; text: string };

/** What a coding says to be absent or unknown. */
export function absence({ system, code }: { system: string; code: string }): Absence | undefined {
  if (system !== snomed && !system.startsWith(absentUnknownSystem)) return undefined;
  const whole = absent.get(code);
  if (whole !== undefined) return { kind: "statement", section: whole[0], statement: whole[1] };
  const part = partlyAbsent.get(code);
  return part === undefined ? undefined : { kind: "part", text: part };
}

/** The same said in words only, as records without codes do; an allergy called "No known allergies" would mislead. */
export function absenceInWords(text: string): Absence | undefined {
  const said = text
    .toLowerCase()
    .replace(/[^a-z ]/g, "")
    .trim();
  const whole = wordsOfAbsence.get(said);
  if (whole !== undefined) return { kind: "statement", section: whole, statement: "none-known" };
  return /^no known [a-z ]*allerg(y|ies)( to [a-z ]+)?$/.test(said) ? { kind: "part", text: said } : undefined;
}

const wordsOfAbsence = new Map<string, SectionName>([
  ["no known allergies", "allergies"],
  ["no known allergy", "allergies"],
  ["no known problems", "conditions"],
  ["no current problems or disability", "conditions"],
  ["no known medications", "medications"],
  ["no current medications", "medications"],
]);

/** `Composition.section.emptyReason`, code system list-empty-reason. */
export const emptyReasons = new Map<string, Statement>([
  ["nilknown", "none-known"],
  ["notasked", "no-information"],
  ["unavailable", "no-information"],
  ["notstarted", "no-information"],
  ["withheld", "declined"],
]);

/** SNOMED CT blood groups. */
export const bloodGroups = new Map<string, readonly ["A" | "B" | "AB" | "O", "positive" | "negative" | undefined]>([
  ["278149003", ["A", "positive"]],
  ["278152006", ["A", "negative"]],
  ["278150003", ["B", "positive"]],
  ["278153001", ["B", "negative"]],
  ["278151004", ["AB", "positive"]],
  ["278154007", ["AB", "negative"]],
  ["278147001", ["O", "positive"]],
  ["278148006", ["O", "negative"]],
  ["112144000", ["A", undefined]],
  ["112149005", ["B", undefined]],
  ["165743006", ["AB", undefined]],
  ["58460004", ["O", undefined]],
]);

/** NCIt codes of `Device.safety` (value set device-safety). */
export const mriSafetyCodes = new Map<string, "safe" | "conditional" | "unsafe" | "unknown">([
  ["C106045", "safe"],
  ["C106046", "conditional"],
  ["C106047", "unsafe"],
  ["C113844", "unknown"],
]);

/** Relations of v3 RoleCode and v2 0131 that stand without words in many records. */
export const relations = new Map([
  ["MTH", "mother"],
  ["FTH", "father"],
  ["PRN", "parent"],
  ["SPS", "spouse"],
  ["HUSB", "husband"],
  ["WIFE", "wife"],
  ["DOMPART", "partner"],
  ["CHILD", "child"],
  ["SON", "son"],
  ["DAU", "daughter"],
  ["SIB", "sibling"],
  ["BRO", "brother"],
  ["SIS", "sister"],
  ["GRPRN", "grandparent"],
  ["FRND", "friend"],
  ["NBOR", "neighbour"],
  ["GUARD", "guardian"],
  ["C", "emergency contact"],
  ["N", "next of kin"],
]);
