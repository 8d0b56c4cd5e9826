/** Routes that serve a service's descriptions beside OpenAPI 3.1: Swagger 2.0 for old clients, AsyncAPI 3.0 for its streams. */
import { everyone } from "../../operations/access.ts";
import { type Route, reply, route } from "../../route.ts";

/** `/__api__` and `/asyncapi.json`; each document is made when first asked for. */
export function descriptionRoutes(documents: { swagger(): object; asyncapi(): object }): readonly Route[] {
  const serve = (path: string, make: () => object): Route => {
    let text: string | undefined;
    return route("GET", path, {
      access: [everyone],
      documented: false,
      handler: () => {
        text ??= JSON.stringify(make());
        return reply(200, text, { "content-type": "application/json", "cache-control": "no-cache, no-store" });
      },
    });
  };
  return [serve("/__api__", documents.swagger), serve("/asyncapi.json", documents.asyncapi)];
}
