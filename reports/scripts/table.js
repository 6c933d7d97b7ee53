// The table of all results. Only the visible rows are in the document, so that ten thousand rows scroll smoothly.
const ROW_HEIGHT = 33; // px, as in styles/tables.css
const EXTRA_ROWS = 12; // above and below the visible ones
const PRINTED_ROWS = 100;
/**
 * The height of the details of each open row in px.
 * @type {Map<Row, number>}
 */
const openRows = new Map();
/** @type {Row[]} */
let listedRows = [];
let drawnRange = "";

function buildTable() {
  const search = make("input", { type: "search", id: "find", placeholder: "such as: dct oom n=4096" });
  search.addEventListener("input", () => choose({ find: search.value }, { replace: true }));
  const every = make("input", { type: "checkbox", id: "every" });
  every.addEventListener("change", () => choose({ every: every.checked ? "1" : "" }));
  const scroller = make(
    "div",
    { class: "scroll window", id: "window", tabindex: "0", role: "region", "aria-label": "The table of results" },
    make("table", { class: "every" }, make("thead", {}, make("tr")), make("tbody")),
  );
  const allFacets = make("label", { title: "every run, device, dtype, batch size and so on" }, every, "all facets");
  scroller.addEventListener("scroll", () => window.requestAnimationFrame(renderRows));
  window.addEventListener("resize", () => window.requestAnimationFrame(renderRows));
  byId("table").replaceChildren(
    make(
      "div",
      { class: "tools" },
      labelled("find", search),
      data.facets.length > 1 ? allFacets : null,
      make("output", { id: "found" }),
      ...downloadButtons(),
    ),
    scroller,
    make("p", { class: "note", id: "unprinted" }),
  );
  find(".first").remove();
  byId("table").hidden = false;
  find("[data-scripts]").hidden = false;
}

function renderTable() {
  const search = /** @type {HTMLInputElement} */ (byId("find"));
  if (search !== document.activeElement) {
    search.value = state.find;
  }
  const every = document.getElementById("every");
  if (every instanceof HTMLInputElement) {
    every.checked = state.every;
  }
  listedRows = matchingRows();
  const total = data.rows.status.length;
  const where = state.every || !state.facet.label ? "" : " (" + state.facet.label + ")";
  const none = listedRows.length ? "" : "; no result matches the choices and the search";
  byId("found").textContent = listedRows.length + " of " + total + " results" + where + none;
  renderHead();
  drawnRange = "";
  renderRows();
}

function renderHead() {
  const scroller = byId("window");
  const focused = focusedElement()?.dataset.sort;
  const columns = visibleColumns();
  const width = columns.reduce((sum, column) => sum + column.rem, 0);
  find("table", scroller).style.width = "max(100%, " + width + "rem)";
  updateChildren(find("thead tr", scroller), columns.map(headCell));
  if (focused) {
    findAll("[data-sort]", scroller).find((button) => button.dataset.sort === focused)?.focus();
  }
}

/**
 * A heading with a button, which sorts ascending, then descending, then not at all.
 * @param {TableColumn} column
 */
function headCell(column) {
  const order = state.sort === column.name ? "ascending" : state.sort === "-" + column.name ? "descending" : null;
  const next = order === null ? column.name : order === "ascending" ? "-" + column.name : "";
  const arrow = order === null ? "" : order === "ascending" ? " ↑" : " ↓";
  const title = column.name === "speedup" ? (state.reference ? "vs " + state.reference : "ratio") : column.title;
  const attributes = { type: "button", "data-sort": column.name, onclick: () => choose({ sort: next }) };
  const head = make("th", { scope: "col", "aria-sort": order }, make("button", attributes, title + arrow));
  head.style.width = column.rem + "rem";
  return head;
}

/**
 * The height of the open details above a position in the list.
 * @param {number} position
 */
function detailsHeightBefore(position) {
  let height = 0;
  openRows.forEach(function (own, row) {
    const at = listedRows.indexOf(row);
    height += at >= 0 && at < position ? own : 0;
  });
  return height;
}

/**
 * The position of the row that is so many pixels down the list.
 * @param {number} height
 */
function positionAt(height) {
  let position = Math.max(0, Math.floor(height / ROW_HEIGHT));
  while (position > 0 && position * ROW_HEIGHT + detailsHeightBefore(position) > height) {
    position -= 1;
  }
  return position;
}

/** Put the visible rows into the document, between spacers as high as the rows that are left out. */
function renderRows() {
  const scroller = byId("window");
  const visible = Math.ceil(scroller.clientHeight / ROW_HEIGHT);
  // The scroll position may lie beyond the end of a list that a search has shortened.
  const top = Math.min(positionAt(scroller.scrollTop), listedRows.length - visible);
  const first = Math.max(0, top - EXTRA_ROWS);
  const last = Math.min(listedRows.length, first + visible + 2 * EXTRA_ROWS);
  const range = [first, last, ...openRows.keys()].join();
  if (range === drawnRange) {
    return;
  }
  drawnRange = range;
  const focused = focusedElement()?.dataset.row;
  const body = find("tbody", scroller);
  const above = first * ROW_HEIGHT + detailsHeightBefore(first);
  const below = (listedRows.length - last) * ROW_HEIGHT + detailsHeightBefore(listedRows.length) - detailsHeightBefore(last);
  const width = visibleColumns().length;
  const rows = listedRows.slice(first, last).flatMap((row, at) => rowElements(row, first + at));
  body.replaceChildren(spacerRow(above, width), ...rows, spacerRow(below, width));
  find("table", scroller).setAttribute("aria-rowcount", String(listedRows.length + 1));
  measureDetails(body);
  if (focused) {
    findAll("[data-row]", body).find((button) => button.dataset.row === focused)?.focus({ preventScroll: true });
  }
}

/**
 * @param {number} height in px
 * @param {number} width in columns
 */
function spacerRow(height, width) {
  const cell = make("td", { colspan: width });
  cell.style.height = height + "px";
  return make("tr", { class: "spacer", "aria-hidden": "true" }, cell);
}

/** @param {HTMLElement} body */
function measureDetails(body) {
  findAll("tr.details", body).forEach(function (element) {
    openRows.set(Number(element.dataset.of), element.getBoundingClientRect().height);
  });
}

/**
 * The elements of a row, and of its details if it is open.
 * @param {Row} row
 * @param {number} position in the list
 */
function rowElements(row, position) {
  const columns = visibleColumns();
  const isOpen = openRows.has(row);
  const failed = statusOf(row) !== "ok";
  const over = checkBudgets(budgetsFor([row]), row).broken.length > 0;
  const classes = [failed && "failed", lengthOf(row) === state.n && "here", over && "over"].filter(Boolean).join(" ");
  const attributes = { type: "button", "data-row": row, "aria-expanded": String(isOpen), onclick: () => toggleRow(row) };
  const button = make("button", attributes, (isOpen ? "▾ " : "▸ ") + curveOf(row).name);
  const head = make("th", { scope: "row" }, button, over ? make("small", { class: "wrong" }, " over budget") : null);
  const element = make(
    "tr",
    { class: classes || null, "aria-rowindex": position + 2 },
    head,
    ...(failed ? failedCells(row, columns) : columns.slice(1).map((column) => rowCell(row, column))),
  );
  if (!isOpen) {
    return [element];
  }
  const details = make("td", { colspan: columns.length }, rowDetails(row));
  return [element, make("tr", { class: "details", "data-of": row }, details)];
}

/**
 * @param {Row} row
 * @param {TableColumn} column
 */
function rowCell(row, column) {
  return make("td", { class: column.name === "speedup" ? speedupClass(row) : null }, column.text(row));
}

/**
 * The cells up to the length, and the reason of the failure in place of the others.
 * @param {Row} row
 * @param {TableColumn[]} columns
 */
function failedCells(row, columns) {
  const kept = columns.findIndex((column) => column.name === "n") + 1;
  const reason = make("td", { class: "why", colspan: columns.length - kept }, failureOf(row));
  return [...columns.slice(1, kept).map((column) => rowCell(row, column)), reason];
}

/** @param {Row} row */
function speedupClass(row) {
  const speedup = speedupOver(state.reference, row);
  return speedup === null ? null : { f: "up", s: "down", t: null }[speedup.winner];
}

/** @param {Row} row */
function toggleRow(row) {
  if (!openRows.delete(row)) {
    openRows.set(row, 0);
  }
  renderRows();
}

/** Show the rows that are printed, and how many are not. */
function fillPrintedTable() {
  const rows = listedRows.slice(0, PRINTED_ROWS).flatMap((row, at) => rowElements(row, at));
  find("tbody", byId("window")).replaceChildren(...rows);
  const note =
    "The first " + PRINTED_ROWS + " of " + listedRows.length + " results. dctbench export csv writes all of them.";
  byId("unprinted").textContent = listedRows.length > PRINTED_ROWS ? note : "";
}

function restoreTable() {
  byId("unprinted").textContent = "";
  renderTable();
}
