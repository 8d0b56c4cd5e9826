/** Allergies, conditions and medicines: the three sections that every summary must have. */

import { partialDateOf, startOf } from "../dates.ts";
import { allergyStatuses, criticalities, disabilityKinds, severities } from "../schema.ts";
import { conceptText, statusCode } from "./bundle.ts";
import { at, type Node, nodes, prose, words } from "./json.ts";
import {
  absent,
  disowned,
  field,
  isOurs,
  named,
  note,
  oneOf,
  onset,
  pastDate,
  present,
  type Reader,
  saidAt,
} from "./reading.ts";

const wrong = "the record says that it was entered in error or refuted";

export const readAllergy: Reader = (resource, source, reading) => {
  const { found } = reading;
  if (disowned(resource)) return found.leave(source, "AllergyIntolerance", wrong);
  if (absent(at(resource, "code"), resource, source, reading)) return;
  const name = named(at(resource, "code"), resource);
  if (name === undefined) return found.leave(source, "AllergyIntolerance", "no substance is named in words");
  const reactions = nodes(at(resource, "reaction"));
  const reaction = reactions
    .flatMap((entry) => {
      const manifestations = nodes(at(entry, "manifestation")).map((concept) => conceptText(concept));
      return [...manifestations, manifestations.length === 0 ? words(at(entry, "description")) : undefined];
    })
    .filter((text) => text !== undefined);
  const said = reactions.map((entry) => oneOf(severities, at(entry, "severity")));
  const worst = severities.findLast((severity) => said.includes(severity));
  found.add("allergies", source, {
    ...name,
    ...present({
      reaction: isOurs(resource) ? prose(field(resource, "reaction"), 500) : words([...new Set(reaction)].join(", ")),
      severity: oneOf(severities, field(resource, "severity")) ?? worst,
      criticality: oneOf(criticalities, at(resource, "criticality")),
      status: oneOf(allergyStatuses, statusCode(at(resource, "clinicalStatus"))),
      note: note(resource),
      confirmed_at: saidAt(resource, reading),
    }),
  });
};

/** Findings of a person's life that general records carry as conditions; they say nothing to a rescuer. */
const social =
  /\b(employment|employed|labor force|education|housing|homeless|criminal record|stress|social (isolation|contact)|violence|transport|medication review|received|unhealthy alcohol|refugee|certificate|school|served in|victim)\b/i;

const threeMonths = 90 * 86_400_000;

export const readCondition: Reader = (resource, source, reading) => {
  const { found } = reading;
  const sections = reading.sectionsOf(resource);
  if (disowned(resource)) return found.leave(source, "Condition", wrong);
  if (absent(at(resource, "code"), resource, source, reading)) return;
  const name = named(at(resource, "code"), resource);
  if (name === undefined) return found.leave(source, "Condition", "no condition is named in words");
  const base = { ...name, ...present({ note: note(resource), confirmed_at: saidAt(resource, reading) }) };
  if (sections.has("disabilities")) {
    const kind = oneOf(disabilityKinds, field(resource, "kind"));
    const communication = prose(field(resource, "communication"), 500);
    return found.add("disabilities", source, { ...base, ...present({ kind, communication }) });
  }
  if (sections.size === 0 && social.test(name.text)) {
    return found.leave(source, "Condition", "social findings are not part of the profile");
  }
  const past = isPast(resource) || (sections.has("past-conditions") && !sections.has("conditions"));
  if (/\b(pregnan(t|cy)|enceinte|grossesse)\b/i.test(name.text) && !past && sections.size === 0) {
    return found.add("pregnancy", source, present({ text: name.text, confirmed_at: base.confirmed_at }));
  }
  if (past && sections.size === 0 && wasShort(resource)) {
    return found.leave(source, "Condition", "short illnesses that are over are left out");
  }
  found.add("conditions", source, {
    ...base,
    ...present({ since: onset(resource, reading), status: past ? ("past" as const) : ("active" as const) }),
  });
};

function isPast(resource: Node): boolean {
  const status = statusCode(at(resource, "clinicalStatus"));
  if (status === "active" || status === "recurrence" || status === "relapse") return false;
  if (status === "inactive" || status === "remission" || status === "resolved") return true;
  return at(resource, "abatementDateTime") !== undefined || at(resource, "abatementPeriod") !== undefined;
}

function wasShort(resource: Node): boolean {
  const start = partialDateOf(at(resource, "onsetDateTime"));
  const end = partialDateOf(at(resource, "abatementDateTime"));
  return start !== undefined && end !== undefined && startOf(end) - startOf(start) < threeMonths;
}

const notTaken = new Set(["completed", "stopped", "not-taken", "cancelled", "draft", "ended"]);

/** MedicationStatement and MedicationRequest. */
export const readMedication: Reader = (resource, source, reading) => {
  const { found, index } = reading;
  const type = String(at(resource, "resourceType"));
  const status = at(resource, "status");
  if (disowned(resource)) return found.leave(source, type, wrong);
  if (typeof status === "string" && notTaken.has(status)) {
    return found.leave(source, type, "medicines that are no longer taken are left out");
  }
  if (at(resource, "intent") === "proposal") return found.leave(source, type, "a proposal, not a prescription");
  const end = partialDateOf(at(resource, "effectivePeriod", "end"));
  if (end !== undefined && startOf(end) + 86_400_000 <= reading.now) {
    return found.leave(source, type, "medicines that are no longer taken are left out");
  }
  const reference = at(resource, "medicationReference");
  const medication = index.resolve(reference, resource);
  const concept = at(resource, "medicationCodeableConcept") ?? at(medication, "code");
  if (absent(concept, resource, source, reading)) return;
  const display = words(at(reference, "display"));
  const name = named(concept, resource) ?? (display === undefined ? undefined : { text: display });
  if (name === undefined) {
    return found.leave(source, type, "the medicine is not named in words, or its reference leads nowhere");
  }
  const dosage = nodes(at(resource, "dosage") ?? at(resource, "dosageInstruction"))[0];
  found.add("medications", source, {
    ...name,
    ...present({
      dose: isOurs(dosage) ? prose(field(dosage, "dose"), 200) : doseText(dosage),
      route: conceptText(at(dosage, "route"), 100),
      frequency: isOurs(dosage) ? prose(field(dosage, "frequency"), 200) : frequencyText(dosage),
      since: pastDate(since(resource), reading),
      anticoagulant: field(resource, "anticoagulant") === true ? true : undefined,
      note: note(resource),
      confirmed_at: saidAt(resource, reading),
    }),
  });
};

function since(resource: Node): unknown {
  return at(resource, "effectivePeriod", "start") ?? at(resource, "effectiveDateTime") ?? at(resource, "authoredOn");
}

function doseText(dosage: unknown): string | undefined {
  const quantity = at(nodes(at(dosage, "doseAndRate"))[0], "doseQuantity") ?? at(dosage, "doseQuantity");
  const value = at(quantity, "value");
  const unit = words(at(quantity, "unit") ?? at(quantity, "code"), 60);
  return typeof value === "number" ? words(`${value} ${unit ?? ""}`, 200) : undefined;
}

function frequencyText(dosage: unknown): string | undefined {
  // Where an element of its own says the dose, the text says how often as well; shown whole rather than guessed at.
  const text = words(at(dosage, "text"), 200) ?? conceptText(at(dosage, "timing", "code"), 200);
  if (text !== undefined) return text;
  if (at(dosage, "asNeededBoolean") === true) return "as needed";
  const repeat = at(dosage, "timing", "repeat");
  const [times, period, unit] = [at(repeat, "frequency"), at(repeat, "period"), at(repeat, "periodUnit")];
  if (typeof times !== "number" || typeof period !== "number" || typeof unit !== "string") return undefined;
  return words(`${times} × / ${period === 1 ? "" : `${period} `}${unit}`, 200);
}
