/** What a visitor finds first, and what the site says about privacy. */
import type { Route } from "rouage";
import { icon, linkButton } from "../components.ts";
import { type Html, html } from "../html.ts";
import type { Page, Pages } from "../page.ts";

export function welcomePages({ get }: Pages): readonly Route[] {
  return [
    get("/", "everyone", (page) =>
      page.view({ title: page.t.welcome.title, body: welcome(page), indexed: page.session === undefined }),
    ),
    get("/privacy", "everyone", (page) =>
      page.view({ title: page.t.privacy.title, body: privacy(page), indexed: page.session === undefined }),
    ),
  ];
}

function welcome({ t, session }: Page): Html {
  const { welcome: words } = t;
  const steps = [
    ["pen", words.step1, words.step1Text],
    ["search", words.step2, words.step2Text],
    ["shield", words.step3, words.step3Text],
  ] as const;
  return html`<div class="hero">
<h1>${words.title}</h1>
<p class="lead">${words.lead}</p>
<div class="actions">${
    session === undefined
      ? html`${linkButton("/signup/", words.register)}${linkButton("/signin/", words.signIn, { kind: "secondary" })}`
      : linkButton("/me", t.nav.home)
  }</div>
<p class="muted">${words.minutes}</p>
</div>
<section aria-labelledby="how"><h2 id="how">${words.stepsTitle}</h2>
<ol class="steps">${steps.map(
    ([name, title, text]) => html`<li class="card">${icon(name)}<h3>${title}</h3><p>${text}</p></li>`,
  )}</ol></section>
<p class="muted">${words.limits}</p>
<p><a href="/signin/?next=/responder/lookup">${words.responder}</a></p>`;
}

function privacy({ t: { privacy: words } }: Page): Html {
  const list = (items: readonly string[]) => html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
  return html`<h1>${words.title}</h1><p class="lead">${words.lead}</p>
<section class="prose"><h2>${words.storedTitle}</h2>${list(words.stored)}
<h2>${words.whoTitle}</h2>${list(words.who)}
<h2>${words.howLongTitle}</h2>
<table><thead><tr><th scope="col">${words.kinds}</th><th scope="col">${words.howLong}</th></tr></thead><tbody>${words.periods.map(
    ([what, period]) => html`<tr><th scope="row">${what}</th><td>${period}</td></tr>`,
  )}</tbody></table>
<h2>${words.rightsTitle}</h2>${list(words.rights)}
<h2>${words.cookiesTitle}</h2><p>${words.cookies}</p></section>`;
}
