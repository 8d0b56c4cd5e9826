/** Groups: each has members, in order and once, and each member knows that it is one. */
import { fewAtOnce } from "../few-at-once.ts";
import type { Storage } from "../storage.ts";
import type { Report } from "./report.ts";

/** Members asked at once. */
const portion = 200;

/** @returns how many groups there are */
export async function verifyGroups(storage: Storage, report: Report): Promise<number> {
  let count = 0;
  const suspects = new Map<string, Set<string>>();
  for await (const { group, members } of storage.permissions.groups()) {
    count++;
    const problem = faultOfMembers(members);
    if (problem !== undefined) report.add({ rule: "groups", message: `${group} ${problem}` });
    for await (const member of strangers(storage, group, members)) {
      const found = suspects.get(group) ?? new Set();
      suspects.set(group, found.add(member));
    }
  }
  if (suspects.size === 0) return count;
  // Somebody may have changed them meanwhile: only what is so twice is wrong.
  for await (const { group, members } of storage.permissions.groups()) {
    const still = members.filter((member) => suspects.get(group)?.has(member) === true);
    for await (const member of strangers(storage, group, still)) {
      report.add({ rule: "groups", message: `${group} has the member ${member}, which is not known to be one` });
    }
  }
  return count;
}

function faultOfMembers(members: readonly string[]): string | undefined {
  if (members.length === 0) return "has no members";
  for (const [index, member] of members.entries()) {
    const before = members[index - 1];
    if (member === "") return "has an empty member";
    if (before !== undefined && before >= member) return "has members twice, or out of order";
  }
  return undefined;
}

async function* strangers(storage: Storage, group: string, members: readonly string[]): AsyncIterable<string> {
  for (let begin = 0; begin < members.length; begin += portion) {
    const some = members.slice(begin, begin + portion);
    const groups = await fewAtOnce(some, async (member) => (await storage.permissions.groupsOf(member)).has(group));
    yield* some.filter((_, index) => groups[index] === false);
  }
}
