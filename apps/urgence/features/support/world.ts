/** What one scenario knows: its people, the last answer, and how they talk to Urgence. */
import { AfterAll, Before, BeforeAll, setDefaultTimeout, setWorldConstructor, World } from "@cucumber/cucumber";
import { TOTP } from "otpauth";
import { type Application, startApplication } from "../../tests/support/application.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely by the steps
  readonly body: any;
}

export interface Person {
  readonly name: string;
  readonly email: string;
  readonly phone: string;
  readonly password: string;
  token?: string;
  totpSecret?: string;
}

let application: Application;
let people = 0;

setDefaultTimeout(60_000);
BeforeAll(async () => {
  application = await startApplication();
});
AfterAll(() => application?.stop());

export class Story extends World {
  readonly #people = new Map<string, Person>();
  answer: Answer = { status: 0, headers: new Headers(), body: undefined };
  readonly answers: Answer[] = [];
  readonly etags: string[] = [];

  get application(): Application {
    return application;
  }

  /** The scenario's person of this name; every scenario has its own, so that none depends on another. */
  person(name: string): Person {
    const known = this.#people.get(name);
    if (known !== undefined) return known;
    const number = String(++people).padStart(4, "0");
    const person: Person = {
      name,
      email: `${name
        .normalize("NFD")
        .replace(/[^a-z]/gi, "")
        .toLowerCase()}.${number}@example.org`,
      // Numbers that the French regulator keeps for fiction.
      phone: `+3363998${number}`,
      password: `a long sentence of ${number}`,
    };
    this.#people.set(name, person);
    return person;
  }

  async send(
    method: string,
    path: string,
    options: { body?: unknown; as?: Person; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const headers: Record<string, string> = { accept: "application/json", ...options.headers };
    if (options.as?.token !== undefined) headers.authorization = `Bearer ${options.as.token}`;
    if (options.body !== undefined) headers["content-type"] ??= "application/json";
    const response = await fetch(application.origin + path, {
      method,
      headers,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    const json = (response.headers.get("content-type") ?? "").includes("json");
    this.answer = {
      status: response.status,
      headers: response.headers,
      body: json && text !== "" ? JSON.parse(text) : text,
    };
    this.answers.push(this.answer);
    return this.answer;
  }

  register({ email, phone, password }: Pick<Person, "email" | "phone" | "password">): Promise<Answer> {
    return this.send("POST", "/v1/accounts", { body: { email, phone, password } });
  }

  async confirm(person: Person): Promise<Answer> {
    const code = await application.mailedCode(person.email);
    return this.send("POST", "/v1/accounts/verify", { body: { email: person.email, code } });
  }

  async signIn(person: Person): Promise<Answer> {
    const totp = person.totpSecret === undefined ? {} : { totp: codeOf(person.totpSecret) };
    const answer = await this.send("POST", "/v1/sessions", {
      body: { email: person.email, password: person.password, ...totp },
    });
    if (answer.status === 200) person.token = answer.body.access_token;
    return answer;
  }

  /** Registered, confirmed and signed in. */
  async member(name: string): Promise<Person> {
    const person = this.person(name);
    await this.register(person);
    this.expect(201);
    await this.confirm(person);
    this.expect(200);
    await this.signIn(person);
    this.expect(200);
    return person;
  }

  /** A responder, with the second factor enrolled and used when wanted. */
  async responder(name: string, secondFactor: boolean): Promise<Person> {
    const person = await this.member(name);
    await application.command("grant", person.email, "responder", "--site", "samu-75:SAMU de Paris");
    await this.signIn(person);
    if (!secondFactor) return person;
    const started = await this.send("POST", "/v1/me/mfa", { as: person, body: {} });
    this.expect(200);
    const secret: string = started.body.data.secret;
    await this.send("PUT", "/v1/me/mfa", { as: person, body: { code: codeOf(secret) } });
    this.expect(200);
    person.totpSecret = secret;
    // A code serves once: the sign-in takes the one of the next half minute, which the server's window allows.
    const answer = await this.send("POST", "/v1/sessions", {
      body: { email: person.email, password: person.password, totp: codeOf(secret, 30_000) },
    });
    this.expect(200);
    person.token = answer.body.access_token;
    return person;
  }

  expect(status: number): void {
    if (this.answer.status !== status)
      throw new Error(`expected ${status}, the answer is ${this.answer.status}: ${JSON.stringify(this.answer.body)}`);
  }
}

function codeOf(secret: string, ahead = 0): string {
  return new TOTP({ secret }).generate({ timestamp: Date.now() + ahead });
}

setWorldConstructor(Story);
Before(function (this: Story) {
  this.answers.length = 0;
});
