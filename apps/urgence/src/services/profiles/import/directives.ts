/** Flags and directives: what must not be overlooked, and what the person wants or does not want done. */
import { wordsOf } from "../antithrombotics.ts";
import { alertKinds, directiveKinds } from "../schema.ts";
import { codings, conceptText } from "./bundle.ts";
import { at, nodes, prose } from "./json.ts";
import { absent, disowned, field, named, note, oneOf, present, type Reader, saidAt } from "./reading.ts";

const wrong = "the record says that it was entered in error or refuted";

export const readFlag: Reader = (resource, source, reading) => {
  const { found } = reading;
  if (disowned(resource)) return found.leave(source, "Flag", wrong);
  if (at(resource, "status") === "inactive") return found.leave(source, "Flag", "alerts that are no longer active");
  if (absent(at(resource, "code"), resource, source, reading)) return;
  const name = named(at(resource, "code"), resource);
  if (name === undefined) return found.leave(source, "Flag", "the alert is not said in words");
  const kind = oneOf(alertKinds, field(resource, "kind")) ?? "other";
  found.add("alerts", source, {
    ...name,
    kind,
    ...present({ note: note(resource), confirmed_at: saidAt(resource, reading) }),
  });
};

/** Consents that are directives; consents to share data or to treatment say nothing to a rescuer. */
export const readConsent: Reader = (resource, source, reading) => {
  const { found } = reading;
  const status = at(resource, "status");
  if (disowned(resource)) return found.leave(source, "Consent", wrong);
  if (status === "inactive" || status === "rejected" || status === "draft") {
    return found.leave(source, "Consent", "directives that are not in force");
  }
  const categories = nodes(at(resource, "category"));
  const codes = [...categories, at(resource, "scope")].flatMap((concept) => codings(concept)).map(({ code }) => code);
  const directive = codes.some((code) => directiveCodes.has(code)) || reading.sectionsOf(resource).has("directives");
  if (!directive) return found.leave(source, "Consent", "consents that are not directives");
  const spoken = [...categories, at(resource, "policyRule"), at(resource, "provision")].map((concept) =>
    conceptText(concept),
  );
  const text = prose(field(resource, "text"), 500) ?? spoken.find((said) => said !== undefined);
  if (text === undefined) return found.leave(source, "Consent", "the directive is not said in words");
  const phone = field(resource, "phone");
  found.add("directives", source, {
    text,
    kind:
      oneOf(directiveKinds, field(resource, "kind")) ?? directiveKind(codes, text, at(resource, "provision", "type")),
    ...present({
      code: categories
        .flatMap((concept) => codings(concept))
        .find(({ system }) => !system.includes("terminology.hl7.org")),
      location: prose(field(resource, "location"), 200),
      name: prose(field(resource, "name"), 200),
      phone: typeof phone === "string" && /^\+[1-9][0-9]{6,14}$/.test(phone) ? phone : undefined,
      note: note(resource),
      confirmed_at: saidAt(resource, reading),
    }),
  });
};

const directiveCodes = new Set(["acd", "adr", "dnr", "polst", "hcd"]);

function directiveKind(codes: readonly string[], text: string, provision: unknown): (typeof directiveKinds)[number] {
  const said = wordsOf(text).join(" ");
  if (codes.includes("dnr") || /\b(resuscitat\w*|reanimation|dnr)\b/.test(said)) return "do-not-resuscitate";
  if (/\b(transfusion|blood products)\b/.test(said)) return "refuses-transfusion";
  if (/\b(organ|organes|dons? d)\b/.test(said) && provision === "deny") return "organ-donation-refusal";
  return "advance-directive";
}
