// Draws the figures that Python has made; every number is in them already.
const data = JSON.parse(document.getElementById("data").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 40rem)");

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(given) {
  return Object.assign({ gridcolor: color("--line"), zeroline: false, automargin: true }, given);
}

function draw(element) {
  const figure = data.figures[element.dataset.figure];
  const layout = Object.assign({}, figure.layout, {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: color("--ink"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 60, r: 16, t: 12, b: 48 },
    legend: narrow.matches ? { orientation: "h", y: -0.3 } : { x: 1.02, y: 1 },
    xaxis: axis(figure.layout.xaxis),
    yaxis: axis(figure.layout.yaxis),
  });
  const options = { displayModeBar: false, showSendToCloud: false, responsive: true };
  if (layout.height) {
    element.style.height = layout.height + "px";
  }
  window.Plotly.react(element, figure.data, layout, options).then(function () {
    const svg = element.querySelector("svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", document.getElementById("h-" + element.id).textContent);
  });
}
