// Keeps an open page live, and shows questions in a dialog. Without it every page still works.

const INTERVAL = 1000; // ms; the server reads no more often
const PATIENCE = 5000; // ms that an answer may take

const offline = document.getElementById("offline");
const dialog = document.getElementById("dialog");
const sections = [...document.querySelectorAll("[data-live]")];
let answeredAt = new Date();

function put(section, html, version) {
  const open = new Set([...section.querySelectorAll("details[open]")].map((d) => d.id));
  const closed = new Set([...section.querySelectorAll("details:not([open])")].map((d) => d.id));
  const focused = section.contains(document.activeElement) ? document.activeElement.id : "";
  section.innerHTML = html;
  section.dataset.version = version;
  for (const details of section.querySelectorAll("details")) {
    if (open.has(details.id)) details.open = true;
    if (closed.has(details.id)) details.open = false;
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function refresh() {
  const have = sections.map((section) => section.dataset.version).join(",");
  const response = await fetch(location.href, {
    headers: { Accept: "application/json", "Console-Have": have },
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (response.status === 401) {
    location.reload();
    return;
  }
  if (!response.ok) throw new Error(`status ${response.status}`);
  const update = await response.json();
  for (const section of sections) {
    const html = update.sections[section.id];
    if (html !== undefined) put(section, html, update.versions[section.id]);
  }
  answeredAt = new Date();
  offline.hidden = true;
}

function showOffline() {
  offline.querySelector("time").textContent = answeredAt.toISOString().slice(11, 19);
  offline.hidden = false;
}

async function keepLive() {
  if (!document.hidden && sections.length) {
    try {
      await refresh();
    } catch {
      showOffline();
    }
  }
  setTimeout(keepLive, INTERVAL);
}

async function ask(address) {
  const response = await fetch(address, { signal: AbortSignal.timeout(PATIENCE) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const question = page.getElementById("order");
  if (!question) throw new Error("no question");
  dialog.replaceChildren(document.adoptNode(question));
  dialog.showModal();
  dialog.querySelector("[autofocus]")?.focus();
}

document.addEventListener("click", (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.target.closest("a");
  if (link?.matches("[data-dialog]")) {
    event.preventDefault();
    ask(link.href).catch(() => location.assign(link.href));
  } else if (link?.matches("dialog [data-close]")) {
    event.preventDefault();
    dialog.close();
  }
});

document.addEventListener("submit", (event) => {
  // A second click must not give the order twice.
  for (const button of event.target.querySelectorAll("button")) button.disabled = true;
});

setTimeout(keepLive, INTERVAL);
