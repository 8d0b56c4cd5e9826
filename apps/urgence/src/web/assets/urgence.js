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

// Times as this device tells them; without a script they are UTC, and say so.
const locale = { en: "en-GB", fr: "fr-FR" }[document.documentElement.lang] ?? "en-GB";
const clock = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });
each("time[data-local]", (time) => {
  time.title = time.textContent;
  const text = clock.format(new Date(time.dateTime));
  time.textContent = locale === "fr-FR" ? text.replace(/^1 /, "1er ") : text;
});

// Ages go on while a page stays open: "2 minutes ago" must not be half an hour old.
const units = [
  ["year", 31557600],
  ["month", 2629800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "always" });
function ago(seconds) {
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? ["second", 1];
  return relative.format(-Math.max(1, Math.floor(seconds / size)), unit);
}
const opened = Date.now();
const ages = document.querySelectorAll("time[data-ago]");
if (ages.length > 0) {
  setInterval(() => {
    const open = (Date.now() - opened) / 1000;
    for (const time of ages) time.textContent = ago(Number(time.dataset.ago) + open);
    each("[data-stale][hidden]", (tag) => {
      tag.hidden = Number(tag.dataset.stale) > open;
    });
  }, 20000);
}

// A photo straight from a camera is made small enough here; this also leaves out where it was taken.
each("[data-photo]", (field) => {
  const input = field.querySelector("input[type=file]");
  const most = Number(field.dataset.photo);
  input.addEventListener("change", async () => {
    const file = input.files[0];
    const status = field.querySelector("[role=status]");
    status.textContent = "";
    if (!file || file.size <= most) return;
    const small = await shrink(file, most).catch(() => undefined);
    if (!small || input.files[0] !== file) return;
    const files = new DataTransfer();
    files.items.add(new File([small], "photo.jpg", { type: "image/jpeg" }));
    input.files = files.files;
    status.textContent = field.dataset.resized;
  });
});

async function shrink(file, most) {
  const image = await createImageBitmap(file);
  for (const side of [640, 480, 320, 200]) {
    const scale = Math.min(1, side / Math.max(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.width * scale);
    canvas.height = Math.round(image.height * scale);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.82));
    if (blob && blob.size <= most) return blob;
  }
}

// Position: measured here, sent through the form on the page. Without a network the last one measured waits, says its age, and is sent
// as soon as it can be; a newer one takes its place.
each("[data-locate]", (panel) => {
  if (!("geolocation" in navigator)) return;
  panel.hidden = false;
  const button = panel.querySelector("button");
  const status = panel.querySelector("[role=status]");
  const form = document.querySelector("form[action='/me/position']");
  let fix;
  let watch;
  let timer;
  let counting;
  let sending = false;
  let tries = 0;

  button.addEventListener("click", () => {
    button.disabled = true;
    fix = undefined;
    tries = 0;
    say("locating");
    locate({ enableHighAccuracy: true, timeout: 20000, maximumAge: 0 }, () =>
      // Better an older position that says its age than none.
      locate({ enableHighAccuracy: false, timeout: 10000, maximumAge: 3600000 }, (error) =>
        stop(error.code === 1 ? "denied" : "unavailable"),
      ),
    );
  });
  addEventListener("online", () => fix && send());

  function locate(options, failed) {
    navigator.geolocation.getCurrentPosition(
      (position) => {
        fix = position;
        send();
      },
      (error) => (error.code === 1 ? stop("denied") : failed(error)),
      options,
    );
  }

  async function send() {
    if (sending) return;
    sending = true;
    clearTimeout(timer);
    if (tries === 0) say("sending");
    try {
      const response = await fetch("/me/position", { method: "POST", body: fields(fix), signal: timeout(15000) });
      if (response.status >= 500 || response.status === 429) throw new Error(String(response.status));
      if (!response.ok) return stop("refused");
      stop("arrived");
      location.assign(response.url);
    } catch {
      wait();
    } finally {
      sending = false;
    }
  }

  function wait() {
    tries += 1;
    waiting();
    counting ??= setInterval(waiting, 5000);
    watch ??= navigator.geolocation.watchPosition(
      (position) => {
        if (position.timestamp > fix.timestamp) fix = position;
      },
      () => {},
      { enableHighAccuracy: true },
    );
    timer = setTimeout(send, Math.min(30000, 2000 * tries));
  }

  function waiting() {
    const text = panel.dataset.retrying.replace("{age}", ago((Date.now() - fix.timestamp) / 1000));
    if (status.textContent !== text) status.textContent = text;
  }

  function stop(key) {
    clearTimeout(timer);
    clearInterval(counting);
    counting = undefined;
    if (watch !== undefined) navigator.geolocation.clearWatch(watch);
    watch = undefined;
    fix = undefined;
    button.disabled = key === "arrived";
    say(key);
  }

  function say(key) {
    status.textContent = panel.dataset[key] ?? "";
  }

  function fields({ coords, timestamp }) {
    return new URLSearchParams({
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
  }
});

function timeout(ms) {
  return AbortSignal.timeout?.(ms);
}

function plain(value) {
  return value === null || Number.isNaN(value) ? "" : value.toFixed(7);
}
