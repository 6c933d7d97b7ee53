// Starts the page. The other scripts only declare.
/** @type {Record<string, ChartMaker>} */
const CHARTS = {
  latency: latencyChart,
  speedup: speedupChart,
  memory: memoryChart,
  pareto: paretoChart,
  split: splitChart,
  roofline: rooflineChart,
};

/** Show what the hash says: texts at once, charts when they are visible. */
function render() {
  readHash();
  state = resolveState();
  renderBar();
  renderToggles();
  renderDecision();
  renderSections();
  renderLegends();
  renderTable();
  redrawFigures();
}

/** Load plotly.js. It comes after this script in the page, so that texts and table do not wait for it. */
async function loadPlotly() {
  if (document.getElementById("plotly")) {
    document.body.append(make("script", {}, await blockText("plotly")));
  }
  drawStaleFigures();
}

async function start() {
  await loadData();
  indexRows();
  document.documentElement.classList.add("scripted");
  byId("bar").hidden = false;
  /** @type {HTMLDetailsElement} */ (byId("filters")).open = !narrowScreen.matches;
  buildTable();
  watchFigures();
  render();
  window.addEventListener("popstate", function () {
    render();
    // renderTable leaves a search field with the focus alone, but "back" changes the search too.
    /** @type {HTMLInputElement} */ (byId("find")).value = state.find;
  });
  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", loadPlotly);
  } else {
    await loadPlotly();
  }
}

start().catch(function (/** @type {Error} */ problem) {
  byId("problem").hidden = false;
  byId("problem").textContent =
    "The charts could not be drawn: " + problem.message + ". The verdicts and the first results do not need them.";
});
