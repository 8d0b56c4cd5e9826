/** What an article of the list is, and how it may change. */
import { invalid, type PendingWrite } from "rouage";
import { type Static, Type } from "typebox";

const text = (most: number) => Type.String({ minLength: 1, maxLength: most });
const url = Type.String({ pattern: "^https?://", maxLength: 2048 });

export const article = Type.Object({
  url,
  title: text(1024),
  added_by: Type.String({ minLength: 1, maxLength: 256, readOnly: true, description: "The device that added it." }),
  resolved_url: Type.Optional(
    Type.Union([url, Type.Null()], { description: "Where the address led; the address itself unless given." }),
  ),
  resolved_title: Type.Optional(Type.Union([text(1024), Type.Null()])),
  excerpt: Type.String({ default: "", maxLength: 10_000 }),
  is_article: Type.Boolean({ default: true }),
  word_count: Type.Optional(Type.Integer({ minimum: 0 })),
  favorite: Type.Boolean({ default: false }),
  archived: Type.Boolean({ default: false }),
  unread: Type.Boolean({ default: true }),
  read_position: Type.Integer({
    default: 0,
    minimum: 0,
    description: "How far it was read, in words. Never goes back while unread is the same.",
  }),
  marked_read_by: Type.Optional(
    Type.Union([text(256), Type.Null()], { description: "The device on which it was read." }),
  ),
  marked_read_on: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
  stored_on: Type.Optional(Type.Integer({ description: "When the server got it, in milliseconds since 1970." })),
});

export type Article = Static<typeof article>;

/** @throws ServiceError `invalid-parameters` when an article is marked as read without saying by which device and when */
export function changed({ previous, next }: PendingWrite<Article>, now: number): Article | undefined {
  if (next === undefined) return undefined;
  const wasUnread = previous?.unread ?? true;
  const complete: Article = {
    ...next,
    resolved_url: next.resolved_url ?? next.url,
    resolved_title: next.resolved_title ?? next.title,
    stored_on: previous?.stored_on ?? now,
  };
  if (next.unread) {
    // Marked as unread again, it begins anew.
    const read_position = wasUnread ? Math.max(previous?.read_position ?? 0, next.read_position) : 0;
    return { ...complete, read_position, marked_read_by: null, marked_read_on: null };
  }
  for (const name of ["marked_read_by", "marked_read_on"] as const)
    if ((next[name] ?? null) === null)
      throw invalid({
        location: "body",
        name,
        description: `${name} is required when an article is marked as read`,
        code: "required",
      });
  return { ...complete, read_position: Math.max(previous?.read_position ?? 0, next.read_position) };
}
