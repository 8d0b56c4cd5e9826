/** A door of a service that does not exist, as tests write it: with the web's requests and responses. */
import type { Door } from "./client.ts";

export function webDoor(answer: (request: Request) => Response | Promise<Response>): Door {
  return {
    async handle(request) {
      const { method, signal } = request;
      const body = await request.body(1_000_000);
      const sent = {
        method,
        signal,
        headers: request.headers(),
        ...(body.length === 0 ? {} : { body: Buffer.from(body) }),
      };
      const response = await answer(new Request(request.origin + request.url, sent));
      const content = new Uint8Array(await response.arrayBuffer());
      return { status: response.status, headers: Object.fromEntries(response.headers), body: content };
    },
  };
}
