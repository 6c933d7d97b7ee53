// Draws the charts. A chart is drawn when it becomes visible, and again only when its content has changed.
const PLOTLY_CONFIG = { displayModeBar: false, showSendToCloud: false, responsive: true };
const MAX_ELEMENTS = 6000;
const MIN_PLOT_WIDTH = 180; // px
const PAPER_WIDTH = 680; // px between the margins of an A4 page
const narrowScreen = window.matchMedia("(max-width: 40rem)");
const darkScreen = window.matchMedia("(prefers-color-scheme: dark)");
/** @type {Set<HTMLElement>} */
const visibleFigures = new Set();
/** @type {Set<HTMLElement>} */
const staleFigures = new Set();
let printing = false;

/** @param {string} name of a custom property, such as --ink */
function cssColor(name) {
  return window.getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * A part of a trace in the colours of the current ground. Plotly does not know the light-dark(light, dark) of CSS.
 * @template T
 * @param {T} part
 * @returns {T}
 */
function onGround(part) {
  if (typeof part === "string") {
    const colors = /^light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)$/.exec(part);
    return colors ? /** @type {T} */ (colors[darkScreen.matches && !printing ? 2 : 1]) : part;
  }
  if (typeof part !== "object" || part === null || Array.isArray(part)) {
    return part; // the points of a trace are arrays
  }
  return /** @type {T} */ (Object.fromEntries(Object.entries(part).map(([name, value]) => [name, onGround(value)])));
}

/** @param {PlotlyAxis} axis */
function themedAxis(axis) {
  return { gridcolor: cssColor("--line"), zeroline: false, automargin: true, ...axis };
}

/**
 * @param {PlotlyLayout} layout
 * @returns {PlotlyLayout}
 */
function themedLayout(layout) {
  const legend = narrowScreen.matches || printing ? { orientation: "h", y: -0.3 } : { x: 1.02, y: 1 };
  return {
    showlegend: false,
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: cssColor("--ink"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 60, r: 16, t: 12, b: 48 },
    legend: legend,
    xaxis: themedAxis(layout.xaxis),
    yaxis: themedAxis(layout.yaxis),
  };
}

/**
 * The chart of an element: made here from the columns, or by Python.
 * @param {string} name
 * @param {number} width
 */
function chartOf(name, width) {
  const makeChart = CHARTS[name];
  return makeChart ? makeChart(width) : widened(data.figures[name], width);
}

/**
 * A chart of Python, wide enough for its marks beside the longest label.
 * @param {Chart} chart
 * @param {number} width
 * @returns {Chart}
 */
function widened(chart, width) {
  const labels = chart.layout.yaxis.categoryarray;
  if (!Array.isArray(labels)) {
    return chart;
  }
  const margin = 24 + 7.5 * maximum(labels.map((label) => label.length));
  return { ...chart, layout: { ...chart.layout, width: Math.max(width, margin + MIN_PLOT_WIDTH) } };
}

/** @param {HTMLElement} element */
function drawFigure(element) {
  staleFigures.delete(element);
  element.removeAttribute("aria-busy");
  const container = containerOf(element);
  const frame = find(".frame", container);
  const note = find('[data-note="' + element.id + '"]');
  const width = printing ? PAPER_WIDTH : container.clientWidth;
  const chart = chartOf(element.id, width);
  const empty = typeof chart === "string";
  note.textContent = empty ? chart : chart.note || "";
  note.hidden = note.textContent === "";
  frame.hidden = empty;
  if (empty || !window.Plotly) {
    return;
  }
  const layout = themedLayout(chart.layout);
  const scrolls = layout.width !== undefined && layout.width > width;
  element.style.height = layout.height ? layout.height + "px" : "";
  element.style.width = scrolls ? layout.width + "px" : "";
  layout.width = printing ? PAPER_WIDTH : layout.width;
  if (scrolls) {
    frame.setAttribute("tabindex", "0"); // so that the keyboard can scroll it
  } else {
    frame.removeAttribute("tabindex");
  }
  window.Plotly.react(element, chart.data.map(onGround), layout, PLOTLY_CONFIG).then(() => finishFigure(element, chart));
}

/**
 * Name a drawn chart for screen readers, and listen to clicks on it.
 * @param {HTMLElement} element
 * @param {Chart} chart
 */
function finishFigure(element, chart) {
  const svg = element.querySelector("svg");
  svg?.setAttribute("role", "img");
  svg?.setAttribute("aria-label", byId("h-" + element.id).textContent ?? "");
  const plot = /** @type {PlotlyElement} */ (element);
  const clicked = chart.clicked;
  plot.removeAllListeners("plotly_click");
  if (clicked) {
    plot.on("plotly_click", (event) => clicked(event.points[0]));
  }
}

function figureElements() {
  return findAll("[data-figure]");
}

/**
 * What holds a chart and its note. This is what is watched: an empty chart has no size and never becomes visible.
 * @param {HTMLElement} element
 */
function containerOf(element) {
  return /** @type {HTMLElement} */ (element.closest("[data-watch]"));
}

function drawStaleFigures() {
  if (window.Plotly) {
    figureElements().filter((element) => staleFigures.has(element) && visibleFigures.has(element)).forEach(drawFigure);
  }
}

/** Mark every chart as out of date, and draw the visible ones again. */
function redrawFigures() {
  figureElements().forEach(function (element) {
    staleFigures.add(element);
    element.setAttribute("aria-busy", "true");
  });
  drawStaleFigures();
}

/** Remove invisible charts from a document that has become large, because a large document is slow. */
function purgeHiddenFigures() {
  const drawn = figureElements().filter((element) => element.firstElementChild && !visibleFigures.has(element));
  if (document.getElementsByTagName("*").length > MAX_ELEMENTS) {
    drawn.forEach(function (element) {
      window.Plotly?.purge(element);
      staleFigures.add(element);
    });
  }
}

function watchFigures() {
  const watcher = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      const element = find("[data-figure]", entry.target);
      if (entry.isIntersecting) {
        visibleFigures.add(element);
      } else {
        visibleFigures.delete(element);
      }
    });
    drawStaleFigures();
    purgeHiddenFigures();
  });
  figureElements().forEach((element) => watcher.observe(containerOf(element)));
  darkScreen.addEventListener("change", redrawFigures);
  narrowScreen.addEventListener("change", redrawFigures);
  window.addEventListener("beforeprint", () => setPrinting(true));
  window.addEventListener("afterprint", () => setPrinting(false));
}

/**
 * Draw every chart for paper, which is light and has a fixed width, or go back to the screen.
 * @param {boolean} given
 */
function setPrinting(given) {
  printing = given;
  document.documentElement.classList.toggle("paper", given);
  if (given) {
    figureElements().forEach(drawFigure);
    fillPrintedTable();
  } else {
    redrawFigures();
    restoreTable();
  }
}

/** Fill the legends: a button for each curve, which hides or shows it in all charts. */
function renderLegends() {
  const curves = curvesOf(state.facet).map(([curve]) => curve).filter(keepsAsChosen);
  const ranked = new Set(rankedRows(state.facet, state.n).map((row) => curveOf(row)));
  findAll("[data-legend]").forEach(function (legend) {
    const focused = focusedElement();
    const name = focused instanceof HTMLButtonElement && legend.contains(focused) ? focused.value : null;
    const listed = legend.dataset.legend === "pareto" ? curves.filter((curve) => ranked.has(curve)) : curves;
    const buttons = listed.map(legendButton);
    updateChildren(legend, buttons);
    findAll("button", legend).find((button) => button.getAttribute("value") === name)?.focus();
  });
}

/** @param {Curve} curve */
function legendButton(curve) {
  const look = lookOf(curve);
  const pressed = String(!state.hidden.has(curve.name));
  const toggle = () => toggleCurve(curve.name);
  const sample = make("span", { class: look.dash === "solid" ? "sample" : "sample broken" });
  sample.style.borderTopColor = onGround(look.color); // for a browser that ignores light-dark() in the next line
  sample.style.borderTopColor = look.color;
  sample.style.borderTopWidth = look.width + "px";
  const attributes = { type: "button", value: curve.name, "aria-pressed": pressed, onclick: toggle };
  return make("button", attributes, sample, curve.name);
}
