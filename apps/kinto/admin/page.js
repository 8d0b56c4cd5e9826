/** The whole of our own part of the admin page: kinto-admin as it is, for the server that the page came from. */
import KintoAdmin from "kinto-admin";
import { createElement } from "react";
import { render } from "react-dom";

// `/v1/admin/` → `/v1/`
const singleServer = new URL("..", document.baseURI).href;

render(createElement(KintoAdmin, { settings: { singleServer }, plugins: [] }), document.getElementById("app"));
