// What a page gains with JavaScript: it can be read without. Nothing here decides anything.
"use strict";

const text = (node, value) => { node.textContent = value; };

// say shows a message that goes away by itself.
function say(message, kind = "info") {
  const note = document.createElement("div");
  note.className = "notice " + kind;
  note.setAttribute("role", "status");
  const body = document.createElement("div");
  text(body, message);
  note.append(body);
  document.getElementById("toasts")?.append(note);
  setTimeout(() => note.remove(), 6000);
}

// What the last change said goes away by itself.
document.querySelectorAll("[data-flash]").forEach((note) => setTimeout(() => note.remove(), 8000));

// A form is sent once: a second click on its button does nothing.
document.addEventListener("submit", (e) => {
  const form = e.target;
  if (e.defaultPrevented) return; // htmx sends it, and disables its button for as long as that takes
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) { e.preventDefault(); return; }
  if (form.method !== "post") return;
  if (form.dataset.sent) { e.preventDefault(); return; }
  form.dataset.sent = "yes";
  setTimeout(() => form.querySelectorAll("button").forEach((b) => { b.disabled = true; }));
});
// A page that comes back from the browser's cache can be sent again.
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => {
  delete form.dataset.sent;
  form.querySelectorAll("button").forEach((b) => { b.disabled = false; });
}));

// Filters apply as they are chosen.
document.addEventListener("change", (e) => {
  const form = e.target.closest("form[data-auto]");
  if (form && e.target.matches("select, input[type=date], input[type=checkbox]")) form.requestSubmit();
});

document.addEventListener("click", async (e) => {
  const copy = e.target.closest("[data-copy]");
  if (copy) {
    const from = document.getElementById(copy.dataset.copy);
    try {
      await navigator.clipboard.writeText(from.value ?? from.textContent);
      say("Copied.", "good");
    } catch {
      from.select?.();
      say("Copying is not allowed here; the text is selected, press Ctrl+C.");
    }
  }
  const add = e.target.closest("[data-add]");
  if (add) { // a further empty line of a form, from its template
    const made = document.getElementById(add.dataset.add).content.cloneNode(true);
    const first = made.querySelector("input, select");
    add.closest("[data-lines]").querySelector("[data-into]").append(made);
    first?.focus();
  }
  const drop = e.target.closest("[data-drop]");
  if (drop) drop.closest(drop.dataset.drop).remove();
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(e.target)) menu.open = false;
});
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") document.querySelectorAll("details.menu[open]").forEach((m) => { m.open = false; m.querySelector("summary").focus(); });
  if (e.key === "/" && !e.target.closest("input, textarea, select, yaml-editor")) {
    const search = document.querySelector("input[type=search]");
    if (search) { e.preventDefault(); search.focus(); }
  }
});

// Times are written in UTC; a title says them in the reader's own zone.
function localTimes(root) {
  root.querySelectorAll("time[datetime]").forEach((t) => {
    const at = new Date(t.dateTime);
    if (!isNaN(at)) t.title = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  });
}
localTimes(document);
document.addEventListener("htmx:afterSettle", (e) => localTimes(e.target));
document.addEventListener("htmx:responseError", (e) => {
  if (e.detail.xhr.status === 401) say("You are logged out. Log in in another tab, then go on here: nothing is lost.", "ask");
});

// Live: one tab holds the stream and tells the others.
const live = document.body.dataset.live;
const channel = live && "BroadcastChannel" in window ? new BroadcastChannel("openleash") : null;

function arrived(change) {
  document.body.dispatchEvent(new CustomEvent("live", { detail: change }));
  document.body.dispatchEvent(new CustomEvent("live-" + change.topic, { detail: change }));
  const badge = document.title.replace(/^\(\d+\) /, "");
  document.title = change.waiting > 0 ? `(${change.waiting}) ${badge}` : badge;
  document.querySelectorAll("[data-count]").forEach((c) => {
    const n = change.counts[c.dataset.count] ?? 0;
    text(c, n);
    c.hidden = n === 0;
  });
}
function notify(change) {
  if (!change.message) return;
  if (document.visibilityState === "visible") say(change.message);
  else if (localStorage.getItem("openleash-notify") === "on" && window.Notification?.permission === "granted") {
    const note = new Notification("OpenLeash", { body: change.message, tag: change.topic });
    note.onclick = () => { focus(); location.href = change.link; };
  }
}
// listen holds the stream. A tab that joins says how new its page is, and is told what it missed.
function listen() {
  const told = new Map();
  if (channel) channel.onmessage = (e) => {
    if (!("joined" in e.data)) { arrived(e.data); return; }
    for (const change of told.values()) if (change.seq > e.data.joined) channel.postMessage(change);
  };
  return new Promise(() => {
    const source = new EventSource(live + "?after=" + document.body.dataset.seq);
    source.addEventListener("change", (e) => {
      const change = JSON.parse(e.data);
      told.set(change.topic, change);
      arrived(change);
      notify(change);
      channel?.postMessage(change);
    });
    source.addEventListener("end", () => source.close()); // the session has ended
  });
}
if (live) {
  if (channel) {
    channel.onmessage = (e) => { if (e.data.topic) arrived(e.data); };
    channel.postMessage({ joined: Number(document.body.dataset.seq) });
  }
  if (channel && navigator.locks) navigator.locks.request("openleash-live", listen);
  else listen();
}

// Browser notifications are asked for by a button, never by a page that merely opens.
const bell = document.getElementById("notifications");
if (bell && "Notification" in window) {
  const show = () => {
    const on = Notification.permission === "granted" && localStorage.getItem("openleash-notify") === "on";
    bell.setAttribute("aria-pressed", on);
    text(bell.querySelector("span"), on ? "Notifications are on" : "Notify me in this browser");
  };
  bell.hidden = false;
  bell.addEventListener("click", async () => {
    const on = bell.getAttribute("aria-pressed") === "true";
    if (!on && await Notification.requestPermission() !== "granted") {
      say("The browser does not allow notifications of this page.", "ask");
      return;
    }
    localStorage.setItem("openleash-notify", on ? "off" : "on");
    show();
  });
  show();
}

// A set-up invite carries its token behind the #, where no server log sees it.
const invite = document.querySelector("input[name=invite_token]");
if (invite && location.hash.length > 1) {
  invite.value = decodeURIComponent(location.hash.slice(1));
  invite.closest(".field").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}

// Rows of one layer are dragged by their handle; the buttons beside it do the same by keyboard.
document.querySelectorAll("[data-reorder]").forEach((list) => {
  let dragged = null;
  const over = (row) => list.querySelectorAll(".over").forEach((r) => { if (r !== row) r.classList.remove("over"); });
  list.querySelectorAll(".handle").forEach((handle) => {
    const row = handle.closest(".item");
    handle.addEventListener("pointerdown", () => { row.draggable = true; });
    row.addEventListener("dragstart", (e) => { dragged = row; row.classList.add("dragging"); e.dataTransfer.effectAllowed = "move"; });
    row.addEventListener("dragend", () => { row.draggable = false; row.classList.remove("dragging"); over(null); });
    row.addEventListener("dragover", (e) => { if (dragged && dragged !== row) { e.preventDefault(); over(row); row.classList.add("over"); } });
    row.addEventListener("drop", (e) => {
      e.preventDefault();
      if (!dragged || dragged === row) return;
      const form = document.getElementById("move");
      form.elements.policy_id.value = dragged.dataset.id;
      form.elements.before.value = row.dataset.id;
      form.requestSubmit();
    });
  });
});
