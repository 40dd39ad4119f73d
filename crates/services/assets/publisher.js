// The publisher's page: sends without leaving the page, and keeps every row true.
"use strict";

(() => {
  const { byId, fill, newRow, follow, keys } = envio;
  const form = byId("compose");
  const rows = byId("rows");
  const isNewest = rows.dataset.newest === "true";
  const ROWS_MAX = 200;

  // Rows

  function show(view) {
    let row = byId(`sent-${view.id}`);
    if (!row) {
      if (!isNewest) return;
      // A change of a row older than this page is none of ours.
      const oldest = rows.lastElementChild;
      if (oldest && Number(view.id) < Number(oldest.dataset.id)) return;
      row = newRow();
      row.id = `sent-${view.id}`;
      row.classList.add("arrived");
      const next = [...rows.children].find((other) => Number(other.dataset.id) < view.id);
      rows.insertBefore(row, next ?? null);
      while (rows.children.length > ROWS_MAX) rows.lastElementChild.remove();
      byId("empty").hidden = true;
    }
    const { field, text } = fill(row, view);
    row.dataset.state = view.state;
    field("state").dataset.state = view.state;
    field("state_text").textContent = view.state_text;
    field("again").hidden = !view.can_repeat;
    field("again").action = `/messages/${view.id}/again`;
    field("repeated").hidden = !view.was_repeated;
    text("why", view.why);
    text("detail", view.detail);
    if (view.id === awaited && view.state !== "waiting" && view.state !== "confirming") {
      awaited = null;
      announce(byId("announce").dataset.one.replace("%{state}", [view.state_text, view.why].filter(Boolean).join(". ")));
    }
  }

  let awaited = null;

  function announce(text) {
    byId("announce").textContent = text;
  }

  // Sending

  function complain(field, text) {
    for (const name of ["topic", "message", "file", "form"]) {
      const error = byId(`${name}-error`);
      const here = name === field;
      error.textContent = here ? text : "";
      error.hidden = !here;
      const input = byId(name);
      if (here) input?.setAttribute("aria-invalid", "true");
      else input?.removeAttribute("aria-invalid");
    }
    if (field) byId(field)?.focus();
  }

  async function post(address, body) {
    const failed = byId("announce").dataset.failed;
    let answer;
    try {
      answer = await fetch(address, { method: "POST", headers: { Accept: "application/json" }, body });
    } catch {
      return { field: "form", error: failed };
    }
    if (answer.status === 204) return {};
    const isJson = (answer.headers.get("content-type") ?? "").startsWith("application/json");
    return isJson ? answer.json() : { field: "form", error: failed };
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = byId("send");
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    const answer = await post("/messages", new FormData(form));
    button.removeAttribute("aria-busy");
    if (answer.error) {
      complain(answer.field, answer.error);
      return;
    }
    complain(null, "");
    awaited = answer.id;
    byId("message").value = "";
    byId("file").value = "";
    forget();
    if (!isNewest) location.assign("/");
    else if (byId("message").offsetParent) byId("message").focus();
  });

  rows.addEventListener("submit", async (event) => {
    event.preventDefault();
    const again = event.target;
    const answer = await post(again.getAttribute("action"));
    if (answer.error) complain("form", answer.error);
    else if (!isNewest) location.assign("/");
    else {
      awaited = answer.id ?? null;
      again.closest(".row").focus();
    }
  });

  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });

  // What is being typed survives a change of language, a reload, a new login.

  const kept = ["topic", "message"];
  function forget() {
    try { sessionStorage.removeItem("draft"); } catch { /* storage may be forbidden */ }
  }
  form.addEventListener("input", () => {
    const draft = Object.fromEntries(kept.map((id) => [id, byId(id).value]));
    try { sessionStorage.setItem("draft", JSON.stringify(draft)); } catch { /* full or forbidden */ }
  });
  try {
    const draft = JSON.parse(sessionStorage.getItem("draft") ?? "null");
    if (draft && byId("message").value === "") kept.forEach((id) => { byId(id).value = draft[id]; });
  } catch { /* nothing worth keeping */ }

  keys({ n: () => byId("message").focus() });
  follow("sent", rows.dataset.after, show);
})();
