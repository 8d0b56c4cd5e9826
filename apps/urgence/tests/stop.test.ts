/** SIGTERM under load: what was begun is finished, what comes later is refused, and nothing is left. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { startApplication } from "./support/application.ts";
import { expected, member, responder, send } from "./support/people.ts";

test("SIGTERM under load: no request in flight is cut, the exit code is 0, the port is free and nothing acknowledged is lost", async () => {
  await using application = await startApplication();
  const person = await member(application);
  const rescuer = await responder(application);
  const data = { what_matters: "first" };
  await expected(201, send(application, "PUT", "/v1/me/profile", { body: { data }, token: person.token }));

  const odd: unknown[] = [];
  const statuses = new Set<number>();
  /** Good answers that arrived, by what was asked; the two people signed in three times before. */
  const received = new Map([["POST /v1/sessions", 3]]);
  const created: string[] = [];
  const loop = async (what: string, work: (turn: number) => ReturnType<typeof send>) => {
    for (let turn = 0; turn < 100_000; turn++) {
      try {
        const { status, body } = await work(turn);
        statuses.add(status);
        if (status < 300) received.set(what, (received.get(what) ?? 0) + 1);
        if (status === 201) created.push(body.data.id);
        if (status === 503) return;
      } catch (error) {
        if (!isTurnedAway(error)) odd.push(error);
        return;
      }
    }
  };
  const { token } = person;
  const body = { data: { coordinates: [2.5, 48.5], source: "gnss" } };
  const lookup = { phone: person.phone, reason: "trauma", incident: "stop" };
  const loops = [
    ...Array.from({ length: 12 }, () =>
      loop("POST /v1/me/positions", () => send(application, "POST", "/v1/me/positions", { token, body })),
    ),
    ...Array.from({ length: 4 }, () =>
      loop("GET /v1/me/profile", () => send(application, "GET", "/v1/me/profile", { token })),
    ),
    // Slow ones: each hashes a password.
    ...Array.from({ length: 2 }, () =>
      loop("POST /v1/sessions", () =>
        send(application, "POST", "/v1/sessions", { body: { email: person.email, password: person.password } }),
      ),
    ),
    loop("POST /v1/lookup", () => send(application, "POST", "/v1/lookup", { token: rescuer.token, body: lookup })),
  ];
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { port } = new URL(application.origin);
  const { code, stderr } = await application.end("SIGTERM");
  await Promise.all(loops);
  assert.deepEqual(odd, []);
  assert.equal(code, 0, stderr);
  const other = [...statuses].filter((status) => ![200, 201, 429, 503].includes(status));
  assert.deepEqual(other, []);
  // A connection that nobody had taken in yet may be refused; whatever the server worked on has reached its client.
  for (const [what, count] of received) assert.equal(count, answersIn(application.output(), what), what);
  assert.ok(created.length > 50, `${created.length} positions: too few to prove anything`);

  const server = createServer().listen(Number(port), "127.0.0.1");
  await new Promise((resolve, reject) => server.on("listening", resolve).on("error", reject));
  await new Promise((resolve) => server.close(resolve));

  await application.start();
  for (const id of created) await expected(200, send(application, "GET", `/v1/me/positions/${id}`, { token }));
});

/** Good answers that the server says it gave. */
function answersIn(output: string, what: string): number {
  const [method, path] = what.split(" ");
  const lines = output.split("\n").filter((line) => line.includes('"request.summary"'));
  return lines.filter((line) => line.includes(`"method":"${method}","path":"${path}"`) && /"code":2\d\d,/.test(line))
    .length;
}

/** Not taken in any more: the port was closed before the server saw the request. */
function isTurnedAway(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const codes = cause instanceof AggregateError ? cause.errors.map(codeOf) : [codeOf(cause)];
  return codes.every((code) => ["ECONNREFUSED", "ECONNRESET", "UND_ERR_SOCKET"].includes(String(code)));
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
