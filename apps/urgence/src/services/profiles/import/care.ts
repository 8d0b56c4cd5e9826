/** Devices, vaccinations, operations, and the two observations that matter: blood group and pregnancy. */

import { wordsOf } from "../antithrombotics.ts";
import { partialDateOf } from "../dates.ts";
import { pregnancyEnd } from "../pregnancy.ts";
import { deviceKinds } from "../schema.ts";
import { codings, conceptText } from "./bundle.ts";
import { bloodGroups, mriSafetyCodes } from "./codes.ts";
import { at, type Node, nodes, prose, words } from "./json.ts";
import {
  absent,
  disowned,
  field,
  isOurs,
  named,
  note,
  oneOf,
  pastDate,
  present,
  type Reader,
  type Reading,
  saidAt,
} from "./reading.ts";

const wrong = "the record says that it was entered in error or refuted";

/** DeviceUseStatement with its Device, or a Device that stands alone. */
export const readDevice: Reader = (resource, source, reading) => {
  const { found, index } = reading;
  const use = at(resource, "resourceType") === "DeviceUseStatement" ? resource : undefined;
  const device = use === undefined ? resource : index.resolve(at(use, "device"), use);
  const type = use === undefined ? "Device" : "DeviceUseStatement";
  const status = at(resource, "status");
  if (disowned(resource)) return found.leave(source, type, wrong);
  if (status === "completed" || status === "inactive" || status === "stopped") {
    return found.leave(source, type, "devices that are no longer used are left out");
  }
  if (absent(at(device, "type"), resource, source, reading)) return;
  const display = words(at(use, "device", "display")) ?? words(at(nodes(at(device, "deviceName"))[0], "name"));
  const name = named(at(device, "type"), device) ?? (display === undefined ? undefined : { text: display });
  if (name === undefined) return found.leave(source, type, "the device is not named in words");
  const udi = nodes(at(device, "udiCarrier"))[0];
  const maker = [words(at(device, "manufacturer"), 90), words(at(device, "modelNumber"), 90)];
  const safety = nodes(at(device, "safety")).flatMap((concept) => codings(concept));
  found.add("devices", source, {
    ...name,
    ...present({
      kind: isOurs(device) ? oneOf(deviceKinds, field(device, "kind")) : deviceKind(name.text),
      model: prose(field(device, "model"), 200) ?? words(maker.filter((part) => part !== undefined).join(" "), 200),
      udi: prose(field(device, "udi"), 200) ?? words(at(udi, "carrierHRF") ?? at(udi, "deviceIdentifier"), 200),
      mri_safety: safety.map(({ code }) => mriSafetyCodes.get(code)).find((value) => value !== undefined),
      since: pastDate(at(use, "timingPeriod", "start") ?? at(use, "timingDateTime"), reading),
      note: note(use) ?? note(device),
      confirmed_at: saidAt(resource, reading),
    }),
  });
};

function deviceKind(text: string): (typeof deviceKinds)[number] | undefined {
  const said = wordsOf(text).join(" ");
  if (/\b(defibrillator|defibrillateur|cardioverter)\b/.test(said)) return "defibrillator";
  if (/\b(pacemaker|stimulateur cardiaque)\b/.test(said)) return "pacemaker";
  if (/\binsulin(e)?\b.*\b(pump|pompe)\b|\bpompe a insuline\b/.test(said)) return "insulin-pump";
  if (/\bcochlea(r|ire)\b/.test(said)) return "cochlear-implant";
  if (/\bstent\b/.test(said)) return "stent";
  return undefined;
}

export const readImmunization: Reader = (resource, source, reading) => {
  const { found } = reading;
  if (disowned(resource)) return found.leave(source, "Immunization", wrong);
  if (absent(at(resource, "vaccineCode"), resource, source, reading)) return;
  if (at(resource, "status") === "not-done") return found.leave(source, "Immunization", "vaccinations not given");
  const name = named(at(resource, "vaccineCode"), resource);
  if (name === undefined) return found.leave(source, "Immunization", "the vaccine is not named in words");
  const date = pastDate(at(resource, "occurrenceDateTime"), reading);
  found.add("vaccinations", source, {
    ...name,
    ...present({ date, note: note(resource), confirmed_at: saidAt(resource, reading) }),
  });
};

/** Acts of everyday care that general records carry as procedures. */
const everyday =
  /\b(documentation|reconciliation|assessment|screening|evaluation|education|counsel\w*|consultation|review|measurement|examination|test|testing|history taking|referral|discussion|interview|vaccination|immuni[sz]ation|culture|swab|x-?ray|radiograph\w*|imaging|ultrasound|electrocardiogra\w*|spirometry|monitoring|hospice|certification|patient transfer|assisted dressing|physical therapy|oxygen administration)\b/i;

export const readProcedure: Reader = (resource, source, reading) => {
  const { found } = reading;
  const status = at(resource, "status");
  if (disowned(resource)) return found.leave(source, "Procedure", wrong);
  if (absent(at(resource, "code"), resource, source, reading)) return;
  if (status === "not-done" || status === "preparation" || status === "stopped") {
    return found.leave(source, "Procedure", "procedures that were not done");
  }
  const name = named(at(resource, "code"), resource);
  if (name === undefined) return found.leave(source, "Procedure", "the procedure is not named in words");
  if (everyday.test(name.text) && !reading.sectionsOf(resource).has("operations")) {
    return found.leave(source, "Procedure", "everyday care is not part of the profile");
  }
  const date = pastDate(at(resource, "performedDateTime") ?? at(resource, "performedPeriod", "start"), reading);
  found.add("operations", source, {
    ...name,
    ...present({ date, note: note(resource), confirmed_at: saidAt(resource, reading) }),
  });
};

/** Blood group and pregnancy; every other observation is a measurement, which goes out of date before it helps. */
export const readObservation: Reader = (resource, source, reading) => {
  const { found } = reading;
  const codes = codings(at(resource, "code")).map(({ code }) => code);
  const is = (...wanted: string[]) => wanted.some((code) => codes.includes(code));
  const status = at(resource, "status");
  if (disowned(resource) || status === "cancelled") return found.leave(source, "Observation", wrong);
  if (is("882-1")) return readBloodGroup(resource, source, reading);
  if (is("82810-3")) return readPregnancy(resource, source, reading);
  // Expected date of delivery: read together with the pregnancy when there is one.
  if (is("11778-8", "11779-6", "11780-4")) return;
  found.leave(source, "Observation", "measurements and laboratory results are not part of the profile");
};

const readBloodGroup: Reader = (resource, source, reading) => {
  const value = at(resource, "valueCodeableConcept");
  const coded = codings(value)
    .map(({ code }) => bloodGroups.get(code))
    .find((group) => group !== undefined);
  const text = conceptText(value) ?? words(at(resource, "valueString"));
  const group = coded ?? bloodGroupOf(text);
  if (group === undefined) return reading.found.leave(source, "Observation", "this blood group could not be read");
  const typed = prose(field(resource, "text"), 500);
  reading.found.add("blood_group", source, {
    abo: group[0],
    ...present({ text: typed, rhesus: group[1], note: note(resource), confirmed_at: saidAt(resource, reading) }),
  });
};

function bloodGroupOf(
  text: string | undefined,
): readonly ["A" | "B" | "AB" | "O", "positive" | "negative" | undefined] | undefined {
  const match =
    /^(?:blood group |group )?(AB|A|B|O|0)\s*(?:rh(?:esus)?\s*(?:\(d\)|d)?\s*)?(\+|-|−|pos\w*|neg\w*|nég\w*)?$/i.exec(
      text ?? "",
    );
  if (match === null) return undefined;
  const abo = match[1]?.toUpperCase().replace("0", "O") as "A" | "B" | "AB" | "O";
  const sign = match[2]?.toLowerCase();
  return [abo, sign === undefined ? undefined : /^(\+|pos)/.test(sign) ? "positive" : "negative"];
}

const notPregnant = new Set(["60001007", "LA26683-5"]);
const pregnant = new Set(["77386006", "LA15173-0"]);

const readPregnancy: Reader = (resource, source, reading) => {
  const codes = codings(at(resource, "valueCodeableConcept")).map(({ code }) => code);
  const confirmed_at = saidAt(resource, reading);
  if (codes.some((code) => notPregnant.has(code))) {
    return reading.found.say("pregnancy", source, "none-known", confirmed_at);
  }
  if (!codes.some((code) => pregnant.has(code))) {
    return reading.found.leave(source, "Observation", "this pregnancy status could not be read");
  }
  if (reading.found.items.has("pregnancy")) return reading.found.leave(source, "Observation", "said before");
  const due_date = dueDate(resource, reading);
  const over = pregnancyEnd(present({ confirmed_at, due_date })) < reading.now;
  if (over) return reading.found.leave(source, "Observation", "a pregnancy that is over");
  if (due_date !== undefined && Date.parse(due_date) > reading.now + 310 * 86_400_000) {
    return reading.found.leave(source, "Observation", "an expected date that can't be right");
  }
  const text = prose(field(resource, "text"), 500);
  reading.found.add("pregnancy", source, { confirmed_at, ...present({ text, due_date, note: note(resource) }) });
};

/** The latest expected date of delivery: of the members of the status where it has some, else of the document. */
function dueDate(status: Node, { index }: Reading): string | undefined {
  const members = nodes(at(status, "hasMember"))
    .slice(0, 20)
    .map((reference) => index.resolve(reference, status));
  const all = index.entries.filter(({ type }) => type === "Observation").map(({ resource }) => resource);
  const dates = (members.length > 0 ? members : all).flatMap((observation) => {
    const codes = codings(at(observation, "code")).map(({ code }) => code);
    const expected = codes.some((code) => code === "11778-8" || code === "11779-6" || code === "11780-4");
    const date = expected ? partialDateOf(at(observation, "valueDateTime")) : undefined;
    return date === undefined ? [] : [date];
  });
  return dates.toSorted().at(-1);
}
