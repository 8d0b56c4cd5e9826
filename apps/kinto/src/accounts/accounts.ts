/** The plugin `accounts`: the resource, and the policy that recognises its people. */
import { follow, type OperationContext, type ServiceContext } from "rouage";
import { type AccountsPolicy, accountsAuth, passwords as createPasswords, keyedHash } from "rouage/auth";
import type { StoredObject } from "rouage/storage";
import { forgetPrincipal } from "../forget-principal.ts";
import type { KintoPlugin } from "../plugins/kinto-plugin.ts";
import { accountResource } from "./account-resource.ts";
import { accountPolicy, basicPolicy, readAccountSettings } from "./account-settings.ts";
import { pepperKeys } from "./pepper.ts";

export const accounts: KintoPlugin = {
  includes: ["kinto.plugins.accounts"],

  create({ reader, settings }) {
    const own = readAccountSettings(reader, settings);
    const passwords = createPasswords({
      pepper: pepperKeys(own.pepper),
      minLength: own.passwordMinLength,
      // With the protocol's freedom of short passwords goes that of common ones.
      ...(own.passwordMinLength < 8 && { blocklist: new Set<string>() }),
    });
    const listed = settings.policies.findIndex(({ use }) => accountPolicy.test(use));
    const name = settings.policies[listed]?.name ?? "account";
    const isLast = !settings.policies.slice(listed + 1).some(({ use }) => basicPolicy.test(use));
    let service: ServiceContext | undefined;
    let policy: AccountsPolicy | undefined;

    async function isAdmin({ principal }: OperationContext): Promise<boolean> {
      const names = (await service?.principalsOf(principal)) ?? [];
      return names.some((one) => own.admins.includes(one));
    }

    async function verify(context: ServiceContext, user: string, password: string): Promise<boolean | undefined> {
      const found = await context.storage.get({ resource: "account", parent: "", id: user });
      if (found?.kind === "object") {
        const hash: string = JSON.parse(found.body).password;
        const isRight = await passwords.verify(password, hash);
        if (isRight && passwords.needsRehash(hash)) await renew(context, found, password);
        return isRight;
      }
      // With nobody else to take them, an unknown name must cost what a known one does.
      return isLast ? passwords.verify(password, undefined) : undefined;
    }

    /** A hash made in another way, such as bcrypt by an imported Kinto, is replaced when the password is at hand. */
    async function renew(
      { storage, settings: { readonly }, log }: ServiceContext,
      found: StoredObject,
      password: string,
    ) {
      if (readonly) return;
      try {
        const body = JSON.stringify({ ...JSON.parse(found.body), password: await passwords.hash(password) });
        const key = { resource: "account", parent: "", id: found.id };
        const expect = { kind: "revision", revision: found.revision } as const;
        await storage.commit([{ kind: "put", key, body, expect, logBody: false }]);
      } catch (error) {
        // Too busy, or changed meanwhile: the next sign-in tries again.
        log.info({ err: error }, "a password's hash was not renewed");
      }
    }

    return {
      plugin: {
        name: "accounts",
        resources: [
          accountResource({
            settings: own,
            passwords,
            prefix: `${name}:`,
            isAdmin,
            changed: async (account) => policy?.forget(account),
          }),
        ],
        capabilities: {
          accounts: {
            description: "Manage user accounts.",
            url: "https://kinto.readthedocs.io/en/latest/api/1.x/accounts.html",
          },
        },
        tasks: [
          follow({
            name: "accounts-changed",
            resources: ["account"],
            async heard({ id, action }) {
              if (action !== "create") await policy?.forget(id);
            },
          }),
        ],
        hooks: (context) => {
          service = context;
          return {
            account: {
              async stored({ id, next }) {
                // Whoever signs up under the name after it is somebody else.
                if (next === undefined) await forgetPrincipal(context.storage, `${name}:${id}`);
              },
            },
          };
        },
      },
      policies: [
        {
          uses: accountPolicy,
          make: (policyName) => (context) => {
            policy = accountsAuth({
              name: policyName,
              // The same for all who share a cache, so that what one forgets is forgotten for all.
              secret: keyedHash(Buffer.from(own.cacheSecret), "accounts in the cache"),
              cache: context.cache,
              log: context.log,
              cacheSeconds: own.cacheSeconds,
              verify: (user, password) => verify(context, user, password),
            });
            return policy;
          },
        },
      ],
    };
  },
};
