// The subscriber's page: messages appear as they arrive, in a window of bounded length.
"use strict";

(() => {
  const { byId, fill, newRow, follow, keys } = envio;
  const rows = byId("rows");
  const isNewest = rows.dataset.newest === "true";
  const ROWS_MAX = 500;

  let waiting = [];
  let drawing = false;
  let paused = false;
  let unseen = 0;
  let unannounced = 0;

  const count = (element, n) =>
    (n === 1 ? element.dataset.one : element.dataset.many).replace("%{n}", n.toLocaleString(document.documentElement.lang));

  function receive(view) {
    unannounced += 1;
    if (!isNewest) return;
    waiting.push(view);
    // More than the window holds would only be drawn to be removed.
    if (waiting.length > ROWS_MAX) waiting.splice(0, waiting.length - ROWS_MAX);
    if (paused || window.scrollY > 300) {
      unseen += 1;
      showUnseen();
    }
    if (!paused) draw();
  }

  function draw() {
    if (drawing) return;
    drawing = true;
    // A page in the background gets no animation frames, but stays true.
    const soon = document.hidden ? (f) => setTimeout(f, 100) : requestAnimationFrame;
    soon(() => {
      drawing = false;
      const batch = document.createDocumentFragment();
      for (const view of waiting.reverse()) {
        const row = newRow();
        fill(row, view);
        row.classList.add("arrived");
        batch.append(row);
      }
      waiting = [];
      if (!batch.hasChildNodes()) return;
      rows.prepend(batch);
      byId("empty").hidden = true;
      let trimmed = false;
      while (rows.children.length > ROWS_MAX) {
        rows.lastElementChild.remove();
        trimmed = true;
      }
      if (trimmed) {
        const older = byId("older");
        older.href = `/?before=${rows.lastElementChild.dataset.id}`;
        older.hidden = false;
      }
    });
  }

  function showUnseen() {
    const button = byId("fresh");
    button.hidden = unseen === 0;
    if (unseen > 0) button.textContent = count(button, unseen);
  }

  function pause(now) {
    const button = byId("pause");
    if (!button) return;
    paused = now;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? button.dataset.resume : button.dataset.pause;
    if (!paused) {
      unseen = 0;
      showUnseen();
      draw();
    }
  }

  byId("pause")?.addEventListener("click", () => pause(!paused));
  byId("fresh").addEventListener("click", () => {
    pause(false);
    unseen = 0;
    showUnseen();
    window.scrollTo({ top: 0 });
    byId("history-title").scrollIntoView({ block: "center" });
  });
  addEventListener("scroll", () => {
    if (!paused && unseen > 0 && window.scrollY < 40) {
      unseen = 0;
      showUnseen();
    }
  }, { passive: true });

  // One polite sentence now and then instead of a flood of rows.
  setInterval(() => {
    if (unannounced === 0) return;
    byId("announce").textContent = count(byId("announce"), unannounced);
    unannounced = 0;
  }, 5000);

  if (byId("pause")) byId("pause").hidden = false;
  keys({ " ": () => pause(!paused) });
  follow("message", rows.dataset.after, receive);
})();
