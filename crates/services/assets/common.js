// What both pages do: times in the viewer's zone, theme, the live stream, keys.
// Everything that came from outside is set as text, never as markup.
"use strict";

const envio = (() => {
  const byId = (id) => document.getElementById(id);
  const language = document.documentElement.lang;

  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const full = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });

  function showTime(element) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const today = at.toDateString() === new Date().toDateString();
    element.textContent = (today ? clock : day).format(at);
    element.title = full.format(at);
  }

  /** Fills a row, or a copy of the row template, with what the server says. */
  function fill(row, view) {
    const field = (name) => row.querySelector(`[data-field="${name}"]`);
    const text = (name, value) => {
      const element = field(name);
      element.textContent = value;
      element.hidden = value === "";
    };
    row.dataset.id = view.id;
    text("topic", view.topic);
    field("time").dateTime = view.time;
    showTime(field("time"));
    field("qos").textContent = view.qos;
    field("retain").hidden = !view.retain;
    field("size").textContent = view.payload.size;
    field("download").href = `/messages/${view.id}/payload`;
    field("payload").dataset.kind = view.payload.kind;
    const isLong = view.payload.more !== "";
    field("whole").textContent = isLong ? "" : view.payload.preview;
    field("whole").hidden = isLong;
    field("long").hidden = !isLong;
    field("preview").textContent = isLong ? view.payload.preview : "";
    field("more").textContent = view.payload.more;
    text("cut", view.payload.cut);
    return { field, text };
  }

  function newRow() {
    return byId("row-template").content.firstElementChild.cloneNode(true);
  }

  function showLink(view) {
    byId("link").dataset.kind = view.kind;
    byId("link-text").textContent = view.text;
    byId("trouble").hidden = view.why === "";
    byId("trouble-why").textContent = view.why;
    byId("trouble-detail").textContent = view.detail;
    byId("trouble-detail").hidden = view.detail === "";
  }

  /**
   * Follows the server's events after `place`, for as long as the page is open.
   * A page nobody looks at for two minutes gives its connection back (a browser has six for
   * each server) and catches up when it is looked at again.
   */
  function follow(event, place, onRow) {
    const words = byId("announce").dataset;
    let source = null;
    let sleeping = 0;

    function open() {
      source = new EventSource(`/events?after=${place}`);
      source.addEventListener(event, (message) => {
        place = message.lastEventId;
        onRow(JSON.parse(message.data));
      });
      source.addEventListener("link", (message) => showLink(JSON.parse(message.data)));
      source.addEventListener("reset", () => location.reload());
      source.addEventListener("error", () => {
        const ended = source.readyState === EventSource.CLOSED;
        showLink({ kind: "down", text: ended ? words.ended : words.offline, why: "", detail: "" });
        if (ended) {
          // The server answered with something else than a stream: the login has ended, or
          // it is just starting. Asking again tells which.
          source = null;
          setTimeout(() => { if (!source && !document.hidden) open(); }, 5000);
        }
      });
    }

    document.addEventListener("visibilitychange", () => {
      clearTimeout(sleeping);
      if (document.hidden) {
        sleeping = setTimeout(() => { source?.close(); source = null; }, 120000);
      } else if (!source) {
        open();
      }
    });
    open();
  }

  function moveFocus(step) {
    const rows = [...document.querySelectorAll("#rows > .row")];
    const current = rows.indexOf(document.activeElement?.closest?.(".row"));
    const next = current < 0 ? 0 : Math.min(Math.max(current + step, 0), rows.length - 1);
    rows[next]?.focus();
  }

  /** Single keys, but never while something is being typed or operated. */
  function keys(actions) {
    const all = {
      j: () => moveFocus(1),
      k: () => moveFocus(-1),
      Enter: (event) => event.target.closest(".row")?.querySelector("details:not([hidden])")?.toggleAttribute("open"),
      ...actions,
    };
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (event.target.closest("input, textarea, select, button, a, summary, [contenteditable]")) return;
      const action = all[event.key];
      if (!action) return;
      if (event.key !== "Enter") event.preventDefault();
      action(event);
    });
  }

  // The theme changes at once and keeps what is being typed; the cookie follows.
  byId("preferences").addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button?.name !== "theme") return;
    event.preventDefault();
    document.documentElement.dataset.theme = button.value;
    for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
    fetch("/preferences", {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({ theme: button.value }),
    }).catch(() => {});
  });

  document.querySelectorAll("#rows time").forEach(showTime);
  return { byId, fill, newRow, follow, keys };
})();
