// Draws what is in sight: a chart is drawn when it comes into view, and again only when what it shows has changed.
const OPTIONS = { displayModeBar: false, showSendToCloud: false, responsive: true };
const MOST_ELEMENTS = 6000;
const PAPER_WIDTH = 680; // px between the margins of an A4 page
const narrow = window.matchMedia("(max-width: 40rem)");
const inSight = new Set();
const stale = new Set();
let printing = false;

function color(name) {
  return window.getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(given) {
  return Object.assign({ gridcolor: color("--line"), zeroline: false, automargin: true }, given);
}

function themed(layout) {
  const legend = narrow.matches || printing ? { orientation: "h", y: -0.3 } : { x: 1.02, y: 1 };
  return Object.assign({ showlegend: false }, layout, {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: color("--ink"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 60, r: 16, t: 12, b: 48 },
    legend: legend,
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
  });
}

// The figure of an element: drawn from the columns, or one that Python has made.
function figureOf(element, width) {
  const chart = CHARTS[element.dataset.figure];
  return chart ? chart(width) : data.figures[element.dataset.figure];
}

function draw(element) {
  stale.delete(element);
  element.removeAttribute("aria-busy");
  const place = placeOf(element);
  const frame = element.closest(".frame") || place;
  const width = printing ? PAPER_WIDTH : place.clientWidth;
  const figure = figureOf(element, width);
  const missing = document.querySelector('[data-missing="' + element.id + '"]');
  const empty = typeof figure === "string";
  if (missing) {
    missing.textContent = empty ? figure : figure.note || "";
    missing.hidden = missing.textContent === "";
    frame.hidden = empty;
  }
  if (empty) {
    return;
  }
  const layout = themed(figure.layout);
  element.style.height = layout.height ? layout.height + "px" : "";
  element.style.width = layout.width && layout.width > width ? layout.width + "px" : "";
  layout.width = printing ? PAPER_WIDTH : layout.width;
  const wide = Boolean(element.style.width);
  wide ? frame.setAttribute("tabindex", "0") : frame.removeAttribute("tabindex");
  window.Plotly.react(element, figure.data, layout, OPTIONS).then(() => name(element, figure));
}

// What a screen reader says of a chart, and what a click in it does.
function name(element, figure) {
  const svg = element.querySelector("svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", byId("h-" + element.id).textContent);
  element.removeAllListeners("plotly_click");
  if (figure.clicked) {
    element.on("plotly_click", (event) => figure.clicked(event.points[0]));
  }
}

function figures() {
  return Array.from(document.querySelectorAll("[data-figure]"));
}

// What holds a chart and what stands for it when there is none: an empty chart has no size to be seen by.
function placeOf(element) {
  return element.closest("[data-watch]") || element;
}

function drawStale() {
  if (window.Plotly) {
    figures().filter((element) => stale.has(element) && inSight.has(element)).forEach(draw);
  }
}

// What a chart out of sight still shows is no longer so: it says that it is to be drawn again.
function redraw() {
  figures().forEach(function (element) {
    stale.add(element);
    element.setAttribute("aria-busy", "true");
  });
  drawStale();
}

// A long document is slow: charts out of sight are taken out of it, and drawn again when they are come back to.
function clearUnseen() {
  const drawn = figures().filter((element) => element.firstElementChild && !inSight.has(element));
  if (document.getElementsByTagName("*").length > MOST_ELEMENTS) {
    drawn.forEach(function (element) {
      window.Plotly.purge(element);
      stale.add(element);
    });
  }
}

function watchFigures() {
  const watcher = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      const element = byId(entry.target.dataset.watch || entry.target.id);
      entry.isIntersecting ? inSight.add(element) : inSight.delete(element);
    });
    drawStale();
    clearUnseen();
  });
  figures().forEach((element) => watcher.observe(placeOf(element)));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => onPaper(true));
  window.addEventListener("afterprint", () => onPaper(false));
}

// Paper is light and as wide as it is; every chart is drawn for it, seen or not.
function onPaper(given) {
  printing = given;
  document.documentElement.classList.toggle("paper", given);
  if (given) {
    figures().forEach(draw);
    fillPrinted();
  } else {
    redraw();
    emptyPrinted();
  }
}

// The methods as buttons under each chart: pressed is shown, and what is hidden in one chart is hidden in all.
function fillLegends() {
  const curves = curvesOf(state.setting).map(([curve]) => curve).filter(ofRatio);
  const here = new Set(ranked(state.setting, state.n).map((row) => curveOf(row)));
  document.querySelectorAll("[data-legend]").forEach(function (legend) {
    const focused = legend.contains(document.activeElement) ? document.activeElement.value : null;
    const named = legend.dataset.legend === "pareto" ? curves.filter((curve) => here.has(curve)) : curves;
    legend.replaceChildren(...named.map(legendButton));
    const again = focused && Array.from(legend.children).find((button) => button.value === focused);
    if (again) {
      again.focus();
    }
  });
}

function legendButton(curve) {
  const look = lookOf(curve);
  const pressed = String(!state.hidden.has(curve.name));
  const toggle = () => toggleCurve(curve.name);
  const button = make("button", { type: "button", value: curve.name, "aria-pressed": pressed, onclick: toggle });
  const sample = make("span", { class: "sample " + (look.dash === "solid" ? "" : "broken") });
  sample.style.borderTopColor = look.color;
  sample.style.borderTopWidth = look.width + "px";
  button.append(sample, curve.name);
  return button;
}
