/** All pages of Urgence as routes. */
import type { Route } from "rouage";
import { assetRoute } from "./assets.ts";
import { pages, type WebDeps } from "./page.ts";
import { accountPages } from "./pages/account.ts";
import { mfaPages } from "./pages/account-mfa.ts";
import { reachPages } from "./pages/account-reach.ts";
import { sessionPages } from "./pages/account-sessions.ts";
import { cardPages } from "./pages/card.ts";
import { deletionPages } from "./pages/deletion.ts";
import { homePages } from "./pages/home.ts";
import { importPages } from "./pages/import.ts";
import { legacyPages } from "./pages/legacy.ts";
import { positionPages } from "./pages/position.ts";
import { profilePages } from "./pages/profile.ts";
import { recordPages } from "./pages/records.ts";
import { registerPages } from "./pages/register.ts";
import { responderPages } from "./pages/responder.ts";
import { signinPages } from "./pages/signin.ts";
import { welcomePages } from "./pages/welcome.ts";

export function webRoutes(deps: WebDeps): readonly Route[] {
  const make = pages(deps);
  const groups = [
    welcomePages,
    registerPages,
    signinPages,
    homePages,
    profilePages,
    importPages,
    cardPages,
    positionPages,
    recordPages,
    accountPages,
    reachPages,
    sessionPages,
    mfaPages,
    deletionPages,
    responderPages,
    legacyPages,
  ];
  return [assetRoute, ...groups.flatMap((group) => group(make))];
}
