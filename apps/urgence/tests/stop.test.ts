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

  let stopping = false;
  const cut: unknown[] = [];
  const statuses = new Map<number, number>();
  const created: string[] = [];
  const loop = async (work: (turn: number) => ReturnType<typeof send>) => {
    for (let turn = 0; turn < 100_000; turn++) {
      const beganBefore = !stopping;
      try {
        const { status, body } = await work(turn);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 201) created.push(body.data.id);
        if (status === 503) return;
      } catch (error) {
        // Refused after the port was closed is right; cut off in the middle is not.
        if (beganBefore || !isRefused(error)) cut.push(error);
        return;
      }
    }
  };
  const { token } = person;
  const body = { data: { coordinates: [2.5, 48.5], source: "gnss" } };
  const lookup = { phone: person.phone, reason: "trauma", incident: "stop" };
  const loops = [
    ...Array.from({ length: 12 }, () => loop(() => send(application, "POST", "/v1/me/positions", { token, body }))),
    ...Array.from({ length: 4 }, () => loop(() => send(application, "GET", "/v1/me/profile", { token }))),
    // Slow ones: each hashes a password.
    ...Array.from({ length: 2 }, () =>
      loop(() =>
        send(application, "POST", "/v1/sessions", { body: { email: person.email, password: person.password } }),
      ),
    ),
    loop(() => send(application, "POST", "/v1/lookup", { token: rescuer.token, body: lookup })),
  ];
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { port } = new URL(application.origin);
  stopping = true;
  const { code, stderr } = await application.end("SIGTERM");
  await Promise.all(loops);
  assert.deepEqual(cut, []);
  assert.equal(code, 0, stderr);
  const other = [...statuses.keys()].filter((status) => ![200, 201, 429, 503].includes(status));
  assert.deepEqual(other, []);
  assert.ok(created.length > 50, `${created.length} positions: too few to prove anything`);

  const server = createServer().listen(Number(port), "127.0.0.1");
  await new Promise((resolve, reject) => server.on("listening", resolve).on("error", reject));
  await new Promise((resolve) => server.close(resolve));

  await application.start();
  for (const id of created) await expected(200, send(application, "GET", `/v1/me/positions/${id}`, { token }));
});

function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const codes = cause instanceof AggregateError ? cause.errors.map(({ code }) => code) : [codeOf(cause)];
  return codes.includes("ECONNREFUSED");
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
