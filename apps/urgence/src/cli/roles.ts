/** `grant` and `revoke`: who is responder, officer or operator. Works beside a running Urgence, which sees it at the next sign-in. */
import { startUrgence } from "../app.ts";
import type { AccountsAdmin } from "../services/accounts/admin.ts";
import { readUrgenceSettings } from "../settings.ts";
import type { Command, Invocation } from "./command.ts";
import { UsageError } from "./usage-error.ts";

const roles = ["responder", "officer", "operator"] as const;
type GrantableRole = (typeof roles)[number];

export const grantCommand: Command = {
  usage: "EMAIL ROLE [--site ID:NAME]",
  summary: `Gives an account a role (${roles.join(", ")}); responders belong to a site. They must enrol a second factor before it counts.`,
  options: { site: { type: "string" } },
  async run(invocation) {
    const site = siteOf(invocation.values.site);
    return withAccount(invocation, async (admin, { id }, role) => {
      await admin.grantRole(id, role, site);
      return "They count when the owner has switched on the second factor and signs in with it.";
    });
  },
};

export const revokeCommand: Command = {
  usage: "EMAIL ROLE",
  summary: "Takes a role away and ends every session of the account.",
  options: {},
  run: (invocation) =>
    withAccount(invocation, async (admin, { id, roles: before }, role) => {
      await admin.revokeRole(id, role);
      return before.includes(role) ? "Every session of the account has ended." : `It was not ${role} before either.`;
    }),
};

type FoundAccount = NonNullable<Awaited<ReturnType<AccountsAdmin["findAccount"]>>>;

/** Says which roles the account has afterwards, and then what `change` says. */
async function withAccount(
  { positionals, environment }: Invocation,
  change: (admin: AccountsAdmin, account: FoundAccount, role: GrantableRole) => Promise<string>,
): Promise<number> {
  const [email, name, ...rest] = positionals;
  const role = roles.find((known) => known === name);
  if (email === undefined || role === undefined || rest.length > 0)
    throw new UsageError(`expected an e-mail address and one of the roles ${roles.join(", ")}`);
  const settings = readUrgenceSettings({ ...environment, URGENCE_LOG_LEVEL: "warn" });
  await using urgence = await startUrgence(settings, { tasks: false });
  const account = await urgence.admin.findAccount(email);
  if (account === undefined) throw new Error("no account has this e-mail address");
  const more = await change(urgence.admin, account, role);
  const left = (await urgence.admin.findAccount(email))?.roles ?? [];
  process.stdout.write(`Roles of ${email}: ${left.length === 0 ? "none" : left.join(", ")}. ${more}\n`);
  return 0;
}

function siteOf(value: unknown): { readonly id: string; readonly name: string } | undefined {
  if (value === undefined) return undefined;
  const [, id, name] = /^([A-Za-z0-9-]+):(.+)$/.exec(String(value)) ?? [];
  if (id === undefined || name === undefined)
    throw new UsageError("--site expects ID:NAME, such as samu-75:SAMU de Paris");
  return { id, name };
}
