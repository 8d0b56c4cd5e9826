/**
 * Recognises medicines that keep blood from clotting, by the person's own words or by a code. It never says that a
 * medicine is harmless: what it does not know stays unflagged, and a match is shown as derived.
 */
import type { Code } from "./schema.ts";

export type Antithrombotic = "anticoagulant" | "antiplatelet";

/** What kind of blood thinner this is, if it is one we know. */
export function antithrombotic(text: string, code?: Code): Antithrombotic | undefined {
  return (code && byCode(code)) ?? byName(text) ?? (code?.display === undefined ? undefined : byName(code.display));
}

/**
 * International names and the brand names common in France and the rest of Europe, without accents. Whole words, so that
 * a part of another word never matches. Source: WHO ATC/DDD index, group B01A; base de données publique des médicaments.
 */
const anticoagulants = [
  // B01AA vitamin K antagonists
  ..."warfarin warfarine coumadin coumadine marevan acenocoumarol sintrom minisintrom sinthrome".split(" "),
  ..."fluindione previscan phenprocoumon marcoumar marcumar phenindione dicoumarol".split(" "),
  // B01AB heparins
  ..."heparin heparine calciparine enoxaparin enoxaparine lovenox clexane inhixa dalteparin dalteparine".split(" "),
  ..."fragmin fragmine tinzaparin tinzaparine innohep nadroparin nadroparine fraxiparin fraxiparine".split(" "),
  ..."fraxodi danaparoid danaparoide orgaran".split(" "),
  // B01AE, B01AF, B01AX direct inhibitors
  ..."dabigatran pradaxa rivaroxaban xarelto apixaban eliquis edoxaban lixiana savaysa betrixaban".split(" "),
  ..."fondaparinux arixtra argatroban bivalirudin bivalirudine".split(" "),
  // Classes, as people write them
  ..."anticoagulant anticoagulants avk aod doac noac".split(" "),
];

/** B01AC. */
const antiplatelets = [
  ..."clopidogrel plavix duoplavin prasugrel efient effient ticagrelor brilique brilinta ticlopidine".split(" "),
  ..."dipyridamole persantine asasantine kardegic aspirin aspirine aspegic cardioaspirin".split(" "),
  ..."acetylsalicylic acetylsalicylique antiplatelet antiagregant antiaggregant".split(" "),
];

const names = new Map<string, Antithrombotic>([
  ...antiplatelets.map((name) => [name, "antiplatelet"] as const),
  ...anticoagulants.map((name) => [name, "anticoagulant"] as const),
]);

/** RxNorm ingredients, for entries that carry a code and no readable name. */
const rxnorm = new Map<string, Antithrombotic>([
  ...["11289", "154", "8150", "5224", "67108", "67109", "1037042", "1114195", "1364430", "1599538", "321208"].map(
    (code) => [code, "anticoagulant"] as const,
  ),
  ...["15202", "60819"].map((code) => [code, "anticoagulant"] as const),
  ...["32968", "613391", "1116632", "1191"].map((code) => [code, "antiplatelet"] as const),
]);

function byName(text: string): Antithrombotic | undefined {
  let found: Antithrombotic | undefined;
  for (const word of wordsOf(text)) {
    const kind = names.get(word);
    if (kind === "anticoagulant") return kind;
    found ??= kind;
  }
  return found;
}

function byCode({ system, code }: Code): Antithrombotic | undefined {
  if (/whocc\.no\/atc|2\.16\.840\.1\.113883\.6\.73/i.test(system) && /^B01A[A-Z]/i.test(code)) {
    return /^B01AC/i.test(code) ? "antiplatelet" : "anticoagulant";
  }
  return /rxnorm|2\.16\.840\.1\.113883\.6\.88/i.test(system) ? rxnorm.get(code) : undefined;
}

/** Lower-case words without accents. */
export function wordsOf(text: string): string[] {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "");
}
