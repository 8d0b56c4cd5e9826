/** Where the person is signed in: which devices, since when, last used when; each can be signed out, or all. */
import type { Route } from "rouage";
import { ApiFailure } from "../api.ts";
import { button, postForm } from "../components.ts";
import { deviceName } from "../device.ts";
import { dateTime, since } from "../format.ts";
import { empty, type Html, html, sentence } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { records, textOf } from "./records.ts";

export function sessionPages({ post }: Pages): readonly Route[] {
  return [
    post("/me/account/sessions", "signed-in", signOutEverywhere),
    post("/me/account/sessions/end", "signed-in", endSession),
  ];
}

export function sessionsPart(page: SignedIn, sessions: unknown): Html {
  const { t, csrf } = page;
  const words = t.account;
  // This device first, then those used last.
  const listed = [...records(sessions)].sort(
    (a, b) => Number(b.current === true) - Number(a.current === true) || String(b.used).localeCompare(String(a.used)),
  );
  return html`<section class="card"><h2>${words.sessions}</h2><p class="hint">${words.sessionsText}</p>
<ul class="plain-list devices">${listed.map((entry) => device(page, entry))}</ul>
${postForm({ action: "/me/account/sessions", csrf }, button(words.signOutAll, { kind: "secondary" }))}</section>`;
}

function device({ t, csrf, language, now }: SignedIn, entry: Readonly<Record<string, unknown>>): Html {
  const words = t.account;
  const name = deviceName(textOf(entry.client), entry.kind === "api", words);
  const used = textOf(entry.used);
  const ago = used === undefined ? empty : html` · ${sentence(words.sessionUsed, since(used, now, language, t))}`;
  const current = entry.current === true;
  return html`<li><div><strong>${name}</strong>${current ? html` <span class="tag">${words.thisSession}</span>` : empty}
<p class="age">${sentence(words.session, dateTime(textOf(entry.created), language))}${ago}</p></div>
${
  current
    ? empty
    : postForm(
        { action: "/me/account/sessions/end", csrf, className: "inline" },
        html`<input type="hidden" name="session" value="${textOf(entry.id) ?? ""}"><button type="submit" class="secondary small">${words.sessionEnd}<span class="visually-hidden">: ${name}</span></button>`,
      )
}</li>`;
}

async function endSession(page: SignedIn) {
  const id = page.form.text("session");
  try {
    await page.api.request("accounts", "DELETE", `/v1/me/sessions/${encodeURIComponent(id)}`);
  } catch (error) {
    // Gone already: what was wished for is so.
    if (!(error instanceof ApiFailure) || ![400, 404].includes(error.status)) throw error;
  }
  return page.redirect("/me/account", "sessionEnded");
}

async function signOutEverywhere(page: SignedIn) {
  await page.api.request("accounts", "DELETE", "/v1/sessions?all=true");
  await page.forgetSession();
  return page.redirect("/signin/", "signedOutAll", [page.cookies.clear("session")]);
}
