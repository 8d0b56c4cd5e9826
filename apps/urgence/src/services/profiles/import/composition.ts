/** The Composition of a document: which section lists which resource, and what the sections say by themselves. */
import { partialDateOf } from "../dates.ts";
import { type BundleIndex, codings } from "./bundle.ts";
import { emptyReasons, sectionsByLoinc } from "./codes.ts";
import { at, type Node, nodes, prose, words } from "./json.ts";
import { field, type Reading } from "./reading.ts";

const none: ReadonlySet<string> = new Set();

/** Which sections of the Composition list a resource. */
export function sectionIndex(index: BundleIndex, composition: Node | undefined): Reading["sectionsOf"] {
  const byResource = new Map<Node, Set<string>>();
  for (const section of nodes(at(composition, "section")).slice(0, 100)) {
    const name = sectionName(section);
    if (name === undefined || name === null) continue;
    for (const reference of nodes(at(section, "entry"))) {
      const resource = index.resolve(reference, composition);
      if (resource === undefined) continue;
      const names = byResource.get(resource) ?? new Set();
      byResource.set(resource, names.add(name));
    }
  }
  return (resource) => byResource.get(resource) ?? none;
}

const sectionName = (section: Node) =>
  codings(at(section, "code"))
    .map(({ code }) => sectionsByLoinc.get(code))
    .find((name) => name !== undefined);

/** Sections that speak for themselves: reasons for being empty, the person's own story. Returns "what matters to me". */
export function readComposition(
  { resource, source }: { resource: Node; source: string },
  reading: Reading,
): string | undefined {
  let whatMatters: string | undefined;
  for (const section of nodes(at(resource, "section")).slice(0, 100)) {
    const name = sectionName(section);
    const title = words(at(section, "title"), 100) ?? "without title";
    const empty = emptyReasons.get(codings(at(section, "emptyReason"))[0]?.code ?? "");
    if (name === "what_matters") {
      whatMatters ??= prose(field(section, "text"), 4000) ?? narrative(at(section, "text", "div"));
      if (whatMatters !== undefined) reading.found.took(source, "what_matters", whatMatters);
    } else if (field(section, "about") === "blood_group" && empty !== undefined) {
      reading.found.say("blood_group", `${source} section "${title}"`, empty, sectionDate(section, reading));
    } else if (name !== undefined && name !== null && name !== "past-conditions" && empty !== undefined) {
      reading.found.say(name, `${source} section "${title}"`, empty, sectionDate(section, reading));
    } else if (
      name === undefined ||
      (name !== null && nodes(at(section, "entry")).length === 0 && empty === undefined)
    ) {
      reading.found.leave(
        `${source} section "${title}"`,
        "Section",
        `only its text could help: read "${title}" yourself`,
      );
    }
  }
  return whatMatters;
}

function sectionDate(section: Node, { documentDate, now }: Reading): string {
  for (const candidate of [field(section, "confirmed_at"), documentDate]) {
    const time =
      typeof candidate === "string" && partialDateOf(candidate) !== undefined ? Date.parse(candidate) : Number.NaN;
    if (time <= now) return new Date(time).toISOString();
  }
  return new Date(now).toISOString();
}

/** Plain words of an XHTML narrative. */
function narrative(div: unknown): string | undefined {
  if (typeof div !== "string") return undefined;
  const text = div
    .slice(0, 40_000)
    .replace(/<br\s*\/?>|<\/p>|<\/li>/gi, "\n")
    .replace(/<[^<>]{0,2000}>/g, "")
    .replace(/&(lt|gt|amp|quot|apos|#39|nbsp);/g, (_, name: string) => entities.get(name) ?? " ");
  return prose(text, 4000);
}

const entities = new Map([
  ["lt", "<"],
  ["gt", ">"],
  ["amp", "&"],
  ["quot", '"'],
  ["apos", "'"],
  ["#39", "'"],
]);
