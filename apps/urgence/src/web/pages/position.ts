/** Sending a position: by the browser where there is a script, by hand where there is none; and what has arrived. */
import type { Route } from "rouage";
import { back, button, errorSummary, type FieldErrors, icon, message, postForm, textField } from "../components.ts";
import { positionBody, readPosition } from "../emergency.ts";
import { dateTime } from "../format.ts";
import { empty, html, sentence } from "../html.ts";
import type { Pages, SignedIn } from "../page.ts";
import { pageLinks, pageQuery } from "../paging.ts";
import { fieldErrors } from "../violations.ts";
import { records, textOf } from "./records.ts";
import { failing } from "./register.ts";

export function positionPages({ get, post }: Pages): readonly Route[] {
  return [
    get("/me/position", "signed-in", (page) => view(page, {})),
    get("/me/positions", "signed-in", all),
    post("/me/position", "signed-in", send),
    post("/me/position/delete", "signed-in", async (page) => {
      await page.api.request("positions", "DELETE", "/v1/me/positions");
      return page.redirect("/me/position", "positionsDeleted");
    }),
  ];
}

async function send(page: SignedIn) {
  const { form, t } = page;
  const [latitude, longitude] = [degrees(form.text("latitude"), 90), degrees(form.text("longitude"), 180)];
  const errors: Record<string, string> = {};
  if (latitude === undefined) errors.latitude = t.position.range;
  if (longitude === undefined) errors.longitude = t.position.range;
  if (latitude === undefined || longitude === undefined) return view(page, errors);
  const measured = form.text("source") === "device";
  const [accuracy, altitude] = [number(form.text("accuracy")), number(form.text("altitude"))];
  const data = {
    coordinates: measured && altitude !== undefined ? [longitude, latitude, altitude] : [longitude, latitude],
    source: measured ? "unknown" : "manual",
    ...(measured && accuracy !== undefined ? { accuracy } : {}),
    ...optional("speed", measured ? number(form.text("speed")) : undefined),
    ...optional("heading", measured ? number(form.text("heading")) : undefined),
    ...(measured && form.text("fix_time") !== "" ? { fix_time: form.text("fix_time") } : {}),
  };
  try {
    await page.api.request("positions", "POST", "/v1/me/positions", { data });
  } catch (error) {
    return view(
      page,
      fieldErrors(error, t, (name) => (name.startsWith("coordinates") ? "latitude" : undefined)),
    );
  }
  return page.redirect("/me/position", "positionSent");
}

const optional = (name: string, value: number | undefined) => (value === undefined ? {} : { [name]: value });

/** Degrees as typed, also with a decimal comma; undefined when it is none. */
export function degrees(typed: string, limit: number): number | undefined {
  const value = number(typed);
  return value !== undefined && Math.abs(value) <= limit ? value : undefined;
}

function number(typed: string): number | undefined {
  const text = typed.replace(",", ".").replace("−", "-").replace(/\s|°/g, "");
  return /^-?\d{1,9}(\.\d{1,20})?$/.test(text) ? Number(text) : undefined;
}

/** Everything that is kept, newest first. */
async function all(page: SignedIn) {
  const { t, language } = page;
  const words = t.position;
  const { data, next } = await page.api.read("positions", `/v1/me/positions${pageQuery(page.query)}&_sort=-fix_time`);
  const entries = records(data).flatMap((entry) => {
    const position = readPosition(entry);
    return position === undefined ? [] : [{ position, expires: textOf(entry.expires_at) }];
  });
  const list = entries.map(
    ({ position, expires }) => html`<li class="card">${positionBody(position, page)}
${expires === undefined ? empty : html`<p class="age">${sentence(words.expires, dateTime(expires, language))}</p>`}</li>`,
  );
  const body = html`${back("/me/position", words.title)}<h1>${words.all}</h1>
${list.length === 0 ? html`<p class="muted">${words.allNone}</p>` : html`<ol class="log">${list}</ol>`}${pageLinks("/me/positions", page.query, next, t)}`;
  return page.view({ title: words.all, body, width: "narrow", section: "position" });
}

async function view(page: SignedIn, errors: FieldErrors) {
  const { t, csrf, form } = page;
  const last = readPosition(await page.api.find("positions", "/v1/me/positions/latest"));
  const words = t.position;
  const body = html`<h1>${words.title}</h1>${errorSummary(t, errors)}
<div class="card locate" data-locate hidden data-locating="${words.locating}" data-sending="${words.sending}" data-denied="${words.denied}" data-unavailable="${words.unavailable}" data-retrying="${words.retrying}" data-arrived="${words.arrived}" data-refused="${words.refused}">
<button type="button" class="primary big">${icon("position")}<span>${words.button}</span></button>
<p role="status" aria-live="polite"></p></div>
<p class="muted">${words.lead}</p>
<section class="card" aria-labelledby="last"><h2 id="last">${words.last}</h2>
${last === undefined ? html`<p class="muted">${words.none}</p>` : positionBody(last, page)}
${last === undefined ? empty : html`<p><a href="/me/positions">${words.all}</a></p>`}
${last === undefined ? empty : postForm({ action: "/me/position/delete", csrf }, button(words.deleteAll, { kind: "plain", icon: "trash" }))}</section>
<section class="card" aria-labelledby="manual"><h2 id="manual">${words.manual}</h2><p class="hint">${words.manualHint}</p>
${postForm(
  { action: "/me/position", csrf },
  html`<input type="hidden" name="source" value="manual">`,
  textField(
    {
      name: "latitude",
      label: words.latitude,
      hint: words.latitudeHint,
      value: form.text("latitude"),
      inputmode: "decimal",
      required: true,
      maxLength: 24,
      className: "short",
    },
    errors,
  ),
  textField(
    {
      name: "longitude",
      label: words.longitude,
      hint: words.longitudeHint,
      value: form.text("longitude"),
      inputmode: "decimal",
      required: true,
      maxLength: 24,
      className: "short",
    },
    errors,
  ),
  button(words.submit, { kind: "secondary" }),
)}</section>
${message("warn", html`<p>${words.notCalling}</p>`)}`;
  return page.view({ title: words.title, body, width: "narrow", section: "position", ...failing(errors) });
}
