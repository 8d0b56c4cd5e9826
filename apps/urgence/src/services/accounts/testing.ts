/** The accounts service as tests run it: cheap hashes, a clock that stands still, mails in an array, other services as functions. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, type ManualClock, manualClock, type Service } from "rouage";
import { totpCode } from "rouage/auth";
import { anyStorage, type StorageKind, testStore } from "../../../../../scripts/test-stores.ts";
import type { Mailer, MailMessage } from "../../mail/mail.ts";
import { type ServiceCall, type ServiceName, serviceRegistry } from "../../shared/client.ts";
import { webDoor } from "../../shared/web-door.fixture.ts";
import { type AccountsAdmin, accountsAdmin } from "./admin.ts";
import { type Identity, openIdentity } from "./identity.ts";
import { accountsService } from "./service.ts";

export interface TestAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers freely
  readonly body: any;
  readonly headers: Headers;
}

export interface TestMail extends MailMessage {
  /** The six digits of the text, or "". */
  readonly code: string;
}

export interface TestAccounts extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly folder: string;
  /** Files of the store that contain this text. */
  filesWith(text: string): Promise<readonly string[]>;
  readonly identity: Identity;
  readonly service: Service;
  readonly call: ServiceCall;
  readonly admin: AccountsAdmin;
  readonly mails: TestMail[];
  /** How often a pepper was asked for: once for each password hashed or compared, and once more where a hash's age is looked at. */
  readonly hashes: () => number;
  /** Every line logged, as JSON. */
  readonly lines: string[];
  /** Mailer behaviour: throws what this returns, when it returns something. */
  failMail: () => Error | undefined;
  request(method: string, path: string, body?: unknown, token?: string): Promise<TestAnswer>;
  /** The next mail to this address that was not looked at yet. */
  mail(to: string): Promise<TestMail>;
  /** All mails that were taken, once none waits any more. */
  sent(): Promise<readonly TestMail[]>;
  /** Stops and starts again on the same store. */
  restart(): Promise<void>;
}

export interface TestOptions {
  readonly storage?: StorageKind;
  readonly doors?: Partial<Record<ServiceName, (request: Request) => Promise<Response>>>;
  readonly mailsPerAddress?: number;
}

export const ada = { email: "ada@example.org", phone: "+33 6 39 98 10 01", password: "analytical engine" };

export async function startAccounts({
  storage = anyStorage,
  doors = {},
  ...limits
}: TestOptions = {}): Promise<TestAccounts> {
  const folder = await mkdtemp(join(tmpdir(), "urgence-accounts-"));
  const store = await testStore(storage, join(folder, "accounts.db"));
  const clock = manualClock();
  let hashes = 0;
  const open = async (): Promise<Identity> => {
    const { pepper, ...rest } = await openIdentity({ folder: join(folder, "keys"), clock });
    const find = (id: string) => {
      hashes += 1;
      return pepper.find(id);
    };
    const active = () => {
      hashes += 1;
      return pepper.active();
    };
    return { ...rest, pepper: { ...pepper, find, active } };
  };
  let identity = await open();
  const mails: TestMail[] = [];
  const seen = new Set<TestMail>();
  const lines: string[] = [];
  const registry = serviceRegistry({ mint: (name) => identity.mint(name), clock });
  for (const name of ["profiles", "positions", "access"] as const) {
    const door = doors[name] ?? (async () => Response.json({ data: {} }));
    registry.register(name, webDoor(door));
  }
  const mailer: Mailer = {
    async send(message) {
      const error = test.failMail();
      if (error !== undefined) throw error;
      mails.push({ ...message, code: /\b\d{6}\b/.exec(message.text)?.[0] ?? "" });
    },
    forget: async (address) => {
      const before = mails.length;
      mails.splice(0, before, ...mails.filter((mail) => mail.to !== address));
      return before - mails.length;
    },
    async [Symbol.asyncDispose]() {},
  };
  const start = () =>
    accountsService({
      identity,
      mailer,
      call: registry.callsFrom("accounts"),
      passwordCost: { memory: 64, passes: 1 },
      ...limits,
    }).start({
      settings: { storage: store.url },
      clock,
      log: recorder(lines),
    });
  let service = await start();
  await store.legible();
  registry.register("accounts", { handle: (request) => service.handle(request) });
  const call = registry.callsFrom("web");

  const test: TestAccounts = {
    clock,
    folder,
    filesWith: (text) => store.filesWith([text]),
    get identity() {
      return identity;
    },
    get service() {
      return service;
    },
    call,
    admin: accountsAdmin(call),
    mails,
    hashes: () => hashes,
    lines,
    failMail: () => undefined,
    async request(method, path, body, token) {
      const headers = new Headers();
      if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
      if (body !== undefined) headers.set("content-type", "application/json");
      const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
      const response = await service.fetch(new Request(`http://localhost${path}`, { method, headers, body: text }));
      const answer = await response.text();
      return {
        status: response.status,
        body: answer === "" ? undefined : JSON.parse(answer),
        headers: response.headers,
      };
    },
    async mail(to) {
      const find = () => mails.find((mail) => mail.to.toLowerCase() === to.toLowerCase() && !seen.has(mail));
      await until(() => find() !== undefined, `a mail to ${to}`);
      const mail = find();
      if (mail === undefined) throw new Error("no mail");
      seen.add(mail);
      return mail;
    },
    async sent() {
      await until(
        async () => (await service.storage.count({ resource: "mail", parent: "" })) === 0,
        "the mails to be sent",
      );
      return mails;
    },
    async restart() {
      await service.stop();
      // Nothing in memory is kept, the set of revoked sessions included.
      identity = await open();
      service = await start();
    },
    async [Symbol.asyncDispose]() {
      await service.stop();
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return test;
}

/** Registers and confirms; answers the id. */
export async function register(accounts: TestAccounts, person: typeof ada = ada): Promise<string> {
  await accounts.request("POST", "/v1/accounts", person);
  const { code } = await accounts.mail(person.email);
  await accounts.request("POST", "/v1/accounts/verify", { email: person.email, code });
  return (await accounts.admin.findAccount(person.email))?.id ?? "";
}

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

export async function signIn(accounts: TestAccounts, person = ada, totp?: string): Promise<Tokens> {
  const body = { email: person.email, password: person.password, ...(totp === undefined ? {} : { totp }) };
  const answer = await accounts.request("POST", "/v1/sessions", body);
  if (answer.status !== 200) throw new Error(`sign-in: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Enrols a second factor with this token; answers the secret and the recovery codes. */
export async function enrol(accounts: TestAccounts, token: string) {
  const { body } = await accounts.request("POST", "/v1/me/mfa", undefined, token);
  const secret: string = body.data.secret;
  const confirmed = await accounts.request(
    "PUT",
    "/v1/me/mfa",
    { code: totpCode(secret, accounts.clock.now()) },
    token,
  );
  const recovery: readonly string[] = confirmed.body.data.recovery_codes;
  return { secret, recovery, code: () => totpCode(secret, accounts.clock.now()) };
}

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function recorder(lines: string[]): Logger {
  const write = (fields: object, message?: string) => {
    const flat = Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? String(value.stack) : value,
    ]);
    lines.push(JSON.stringify({ ...Object.fromEntries(flat), message }));
  };
  const log: Logger = {
    trace: write,
    debug: write,
    info: write,
    warn: write,
    error: write,
    fatal: write,
    child: () => log,
  };
  return log;
}
