/**
 * Articles that a user wants to read, on all of their devices. Each user has a list of their own, in which no address comes twice:
 * adding one again answers the article that is there.
 */
import { type Interceptor, type Plugin, resource, service } from "rouage";
import { article, changed } from "./article.ts";

const articles = resource("articles", {
  schema: article,
  perUser: true,
  unique: ["url", "resolved_url"],
  indexes: [["unread", "last_modified"], "archived"],
  pageSize: 100,
  // Devices add (POST) and change (PATCH); none replaces what another one wrote.
  disabled: ["replace"],
  hooks: { before: (write, { clock }) => changed(write, clock.now()) },
});

const existingArticles: Plugin = { name: "existing-articles", intercept: () => answerExisting };

export default service({
  name: "reading-list",
  version: "1.0.0",
  description: "Articles to read later, on all of one's devices.",
  resources: [articles],
  plugins: [existingArticles],
});

/** A conflict tells which article has the address already; for somebody who adds one, that is the answer. */
const answerExisting: Interceptor = async (request, next) => {
  const answer = await next(request);
  if (request.method !== "POST" || answer.status !== 409 || typeof answer.body !== "string") return answer;
  const { details } = JSON.parse(answer.body);
  if (details?.existing === undefined) return answer;
  const { "retry-after": _, ...headers } = answer.headers;
  return {
    status: 200,
    headers: { ...headers, etag: `"${details.existing.last_modified}"` },
    body: JSON.stringify({ data: details.existing }),
  };
};
