// Every result as a table of which only the rows in sight are in the document: ten thousand scroll like ten.
const ROW_HEIGHT = 33;
const OVERSCAN = 12;
const opened = new Map(); // row -> px that its details take
let listed = [];
let drawnWindow = "";

function buildTable() {
  const find = make("input", { type: "search", id: "find", placeholder: "such as: dct oom n=4096" });
  find.addEventListener("input", () => go({ find: find.value }, true));
  const takeEvery = () => go({ every: byId("every").checked ? "1" : "" });
  const every = make("input", { type: "checkbox", id: "every", onchange: takeEvery });
  const named = { tabindex: "0", role: "region", "aria-label": "The table of results" };
  const scroller = make("div", Object.assign({ class: "scroll window", id: "window" }, named));
  scroller.append(make("table", { class: "every" }, make("thead"), make("tbody")));
  scroller.addEventListener("scroll", () => window.requestAnimationFrame(drawRows));
  window.addEventListener("resize", () => window.requestAnimationFrame(drawRows));
  const several = data.settings.length > 1 ? make("label", {}, every, "all settings") : null;
  byId("table").replaceChildren(
    make("div", { class: "tools" }, make("label", { class: "field" }, make("span", {}, "find"), find), several,
      make("output", { id: "found" }), ...downloadButtons()),
    scroller,
    make("p", { class: "note", id: "unprinted" }),
  );
  document.querySelector(".first").remove();
  byId("table").hidden = false;
  document.querySelector("[data-scripts]").hidden = false;
}

function fillTable() {
  const find = byId("find");
  if (find !== document.activeElement) {
    find.value = state.find;
  }
  if (byId("every")) {
    byId("every").checked = state.every;
  }
  listed = rowsFound();
  const total = data.rows.status.length;
  const where = state.every || !state.setting.words ? "" : " (" + state.setting.words + ")";
  const none = listed.length ? "" : "; nothing is left by the choices and by what is looked for";
  byId("found").textContent = listed.length + " of " + total + " results" + where + none;
  fillHead();
  drawnWindow = "";
  drawRows();
}

function fillHead() {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.sort : undefined;
  const sorted = state.sort.replace("-", "");
  const cells = columnsShown().map(function (column) {
    const descending = state.sort === "-" + column.name;
    const next = sorted !== column.name ? column.name : descending ? "" : "-" + column.name;
    const arrow = sorted !== column.name ? "" : descending ? " ↓" : " ↑";
    const title = column.name === "speedup" ? (state.reference ? "vs " + state.reference : "ratio") : column.title;
    const button = make("button", { type: "button", "data-sort": column.name, onclick: () => go({ sort: next }) }, title + arrow);
    const order = sorted !== column.name ? null : descending ? "descending" : "ascending";
    const head = make("th", { scope: "col", "aria-sort": order }, button);
    head.style.width = column.rem + "rem";
    return head;
  });
  const width = columnsShown().reduce((sum, column) => sum + column.rem, 0);
  byId("window").querySelector("table").style.width = "max(100%, " + width + "rem)";
  byId("window").querySelector("thead").replaceChildren(make("tr", {}, ...cells));
  const again = focused && byId("window").querySelector('[data-sort="' + focused + '"]');
  if (again) {
    again.focus();
  }
}

// How far down the list a row's top is: rows are equally high, but for the details of those that are open.
function openedBefore(position) {
  let height = 0;
  opened.forEach(function (own, row) {
    const at = listed.indexOf(row);
    height += at >= 0 && at < position ? own : 0;
  });
  return height;
}

function rowAt(height) {
  let position = Math.max(0, Math.floor(height / ROW_HEIGHT));
  while (position > 0 && position * ROW_HEIGHT + openedBefore(position) > height) {
    position -= 1;
  }
  return position;
}

function drawRows() {
  const scroller = byId("window");
  const seen = Math.ceil(scroller.clientHeight / ROW_HEIGHT);
  const top = Math.min(rowAt(scroller.scrollTop), listed.length - seen); // it may have been scrolled beyond what is left
  const first = Math.max(0, top - OVERSCAN);
  const last = Math.min(listed.length, first + seen + 2 * OVERSCAN);
  const wantedWindow = [first, last].concat(Array.from(opened.keys())).join();
  if (wantedWindow === drawnWindow) {
    return;
  }
  drawnWindow = wantedWindow;
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.row : undefined;
  const body = scroller.querySelector("tbody");
  const above = first * ROW_HEIGHT + openedBefore(first);
  const below = (listed.length - last) * ROW_HEIGHT + openedBefore(listed.length) - openedBefore(last);
  const width = columnsShown().length;
  const rows = listed.slice(first, last).flatMap((row, at) => rowElements(row, first + at, width));
  body.replaceChildren(spacer(above, width), ...rows, spacer(below, width));
  scroller.querySelector("table").setAttribute("aria-rowcount", String(listed.length + 1));
  measureOpened(body);
  const again = focused && body.querySelector('[data-row="' + focused + '"]');
  if (again) {
    again.focus({ preventScroll: true });
  }
}

function spacer(height, width) {
  const cell = make("td", { colspan: width });
  cell.style.height = height + "px";
  return make("tr", { class: "spacer", "aria-hidden": "true" }, cell);
}

function measureOpened(body) {
  body.querySelectorAll("tr.details").forEach(function (element) {
    opened.set(Number(element.dataset.of), element.getBoundingClientRect().height);
  });
}

function rowElements(row, position, width) {
  const isOpen = opened.has(row);
  const over = breaches(budgetsAt(state, [row]), row).broken.length > 0;
  const classes = [time("median", row) === null ? "failed" : "", lengthOf(row) === state.n ? "here" : "", over ? "over" : ""];
  const facts = { type: "button", "data-row": row, "aria-expanded": String(isOpen), onclick: () => toggleRow(row) };
  const button = make("button", facts);
  button.append((isOpen ? "▾ " : "▸ ") + curveOf(row).name);
  const head = make("th", { scope: "row" }, button, over ? make("small", { class: "wrong" }, " over budget") : null);
  const [, ...columns] = columnsShown();
  const classOf = (column) => (column.name === "speedup" ? { class: speedClass(row) } : {});
  const cells = columns.map((column) => make("td", classOf(column), column.words(row)));
  if (time("median", row) === null) {
    const kept = columns.findIndex((column) => column.name === "n") + 1;
    const why = make("td", { class: "why", colspan: columns.length - kept }, sentence(value("failure", row)));
    cells.splice(kept, cells.length - kept, why);
  }
  const element = make("tr", { class: classes.join(" ").trim() || null, "aria-rowindex": position + 2 }, head, ...cells);
  if (!isOpen) {
    return [element];
  }
  return [element, make("tr", { class: "details", "data-of": row }, make("td", { colspan: width }, rowDetails(row)))];
}

function speedClass(row) {
  const found = against(state.reference, row);
  return found === null ? null : { f: "up", s: "down", t: null }[found.winner];
}

function toggleRow(row) {
  if (!opened.delete(row)) {
    opened.set(row, 0);
  }
  drawRows();
}

// What a printed page holds of the table: its first rows, and how many more there are.
const PRINTED_ROWS = 100;

function fillPrinted() {
  const width = columnsShown().length;
  const rows = listed.slice(0, PRINTED_ROWS).flatMap((row, at) => rowElements(row, at, width));
  byId("window").querySelector("tbody").replaceChildren(...rows);
  const words = "The first " + PRINTED_ROWS + " of " + listed.length + " results; dctbench export csv writes every one.";
  byId("unprinted").textContent = listed.length > PRINTED_ROWS ? words : "";
}

function emptyPrinted() {
  byId("unprinted").textContent = "";
  fillTable();
}
