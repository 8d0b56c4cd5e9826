/** What is left of the first report's routes: the ping, and storing the profile under its old address. */
import { everyone, type Route, reply, route, ServiceError } from "rouage";
import { isRecord } from "../api.ts";
import { forwardJson } from "../json-forward.ts";
import type { Pages } from "../page.ts";

export function legacyPages({ get, post }: Pages): readonly Route[] {
  return [
    route("GET", "/ping/", {
      access: [everyone],
      unversioned: true,
      summary: "Answers as long as the process does",
      handler: () => reply(200, { status: "ok" }, { "cache-control": "no-store" }),
    }),
    get("/signup", "everyone", (page) => page.redirect("/signup/")),
    get("/signin", "everyone", (page) => page.redirect("/signin/")),
    get("/user/add/", "signed-in", (page) => page.redirect("/me/profile")),
    post("/user/add/", "signed-in", (page) => page.redirect("/me/profile"), {
      json: (request, call, correlated) => {
        if (request.header("authorization") === undefined) throw new ServiceError("missing-credentials");
        const shape = (body: unknown) => (isRecord(body) && !("data" in body) ? { data: body } : body);
        return forwardJson(request, call, correlated, "profiles", "PUT", "/v1/me/profile", shape);
      },
    }),
  ];
}
