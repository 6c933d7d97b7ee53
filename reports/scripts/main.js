// Starts the page. The rest of the script only declares.
const CHARTS = {
  latency: latencyChart,
  speedup: speedupChart,
  memory: memoryChart,
  pareto: paretoChart,
  split: splitChart,
  roofline: rooflineChart,
};

// Show what the hash says: text at once, charts as far as they are in sight.
function apply() {
  readHash();
  state = settle();
  fillBar();
  fillToggles();
  fillCards();
  fillSentences();
  fillLegends();
  fillTable();
  redraw();
}

// plotly.js follows the page's own script, so that text and table do not wait for it; compressed, it is unpacked first.
async function loadPlotly() {
  if (byId("plotly")) {
    document.body.append(make("script", {}, await blockText("plotly")));
  }
  drawStale();
}

async function start() {
  await loadData();
  findPlaces();
  document.documentElement.classList.add("scripted");
  byId("bar").hidden = false;
  byId("filters").open = !narrow.matches;
  buildTable();
  watchFigures();
  apply();
  window.addEventListener("popstate", function () {
    apply();
    byId("find").value = state.find; // also where it is being typed in: "back" takes the words back
  });
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", loadPlotly) : await loadPlotly();
}

start().catch(function (problem) {
  byId("problem").hidden = false;
  byId("problem").textContent =
    "The charts could not be made: " + problem.message + ". The verdicts and the first results stand here without them.";
});
