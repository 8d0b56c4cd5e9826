// Progressive enhancement: every page works without this file.
const each = (selector, use) => document.querySelectorAll(selector).forEach(use);

document.querySelector("#summary")?.focus();

each("[data-print]", (button) => {
  button.hidden = false;
  button.addEventListener("click", () => print());
});

if (navigator.clipboard) {
  each("[data-copy]", (button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const label = button.querySelector("span");
      label.setAttribute("role", "status");
      label.textContent = button.dataset.copied;
    });
  });
}

// Entries of a section: add and remove without a round trip.
each("[data-rows]", (rows) => {
  const template = rows.querySelector("[data-row-template]");
  const count = () => rows.querySelectorAll("[data-row]").length;
  let next = count();
  rows.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.matches("[data-remove]")) {
      event.preventDefault();
      const row = button.closest("[data-row]");
      const focus = row.previousElementSibling ?? row.nextElementSibling;
      row.remove();
      rows.closest("form").dispatchEvent(new Event("input"));
      (focus?.matches("[data-row]")
        ? focus.querySelector("input:not([type=hidden]), select")
        : rows.querySelector("[data-add]")
      )?.focus();
    }
    if (button?.matches("[data-add]") && template) {
      event.preventDefault();
      const holder = document.createElement("template");
      holder.innerHTML = template.innerHTML.replaceAll("{index}", next).replaceAll("--index--", `-${next}-`);
      const row = holder.content.firstElementChild;
      next += 1;
      row.querySelector("legend").textContent += count() + 1;
      template.before(row);
      row.querySelector("input:not([type=hidden]), select")?.focus();
    }
  });
});

// Unsaved changes: ask before leaving.
each("form[data-guard]", (form) => {
  let dirty = document.querySelector("#summary") !== null;
  form.addEventListener("input", () => {
    dirty = true;
  });
  form.addEventListener("submit", () => {
    dirty = false;
  });
  addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });
});

// A form is sent once, however often a glove taps the button.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("action") === "/me/export") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => each("form[data-sent]", (form) => delete form.dataset.sent));

// Position: measured here, sent through the form on the page, tried again while there is no network.
each("[data-locate]", (panel) => {
  if (!("geolocation" in navigator)) return;
  panel.hidden = false;
  const button = panel.querySelector("button");
  const status = panel.querySelector("[role=status]");
  const say = (key) => {
    status.textContent = panel.dataset[key] ?? "";
  };
  const form = document.querySelector("form[action='/me/position']");
  button.addEventListener("click", () => {
    button.disabled = true;
    say("locating");
    navigator.geolocation.getCurrentPosition(
      ({ coords, timestamp }) => send(coords, timestamp),
      (error) => {
        button.disabled = false;
        say(error.code === 1 ? "denied" : "unavailable");
      },
      { enableHighAccuracy: true, timeout: 30000, maximumAge: 0 },
    );
  });

  async function send(coords, timestamp) {
    say("sending");
    const body = new URLSearchParams({
      _csrf: form.elements._csrf.value,
      source: "device",
      latitude: plain(coords.latitude),
      longitude: plain(coords.longitude),
      accuracy: plain(coords.accuracy),
      altitude: plain(coords.altitude),
      speed: plain(coords.speed),
      heading: plain(coords.heading),
      fix_time: new Date(Math.min(timestamp, Date.now())).toISOString(),
    });
    try {
      const response = await fetch("/me/position", { method: "POST", body });
      if (response.status >= 500 || response.status === 429) throw new Error(String(response.status));
      location.assign(response.ok ? response.url : "/me/position");
    } catch {
      say("retrying");
      setTimeout(() => send(coords, timestamp), 4000);
    }
  }
});

function plain(value) {
  return value === null || Number.isNaN(value) ? "" : value.toFixed(7);
}
