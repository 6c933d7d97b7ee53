// What do I give up, and where does the time go: charts of one length.
const LEAST_ERROR = 1e-8; // exact methods in float64 differ by less, and a logarithmic axis has no zero
const STAGE_COLORS = { projections: "#4c78a8", attention: "#f58518", transform: "#54a24b", other: "#9d9da1" };

function paretoChart() {
  const rows = ranked(state.setting, state.n).filter((row) => value("smooth", row) !== null && shown(curveOf(row)));
  if (!rows.length) {
    return nothing("has a measured error at " + state.at);
  }
  const error = (row) => Math.max(value("smooth", row), LEAST_ERROR);
  const most = greatest(rows.map((row) => memoryOf(row) || 0)) || 1;
  const front = rows.filter((row) => data.rows.front[row] === "y");
  const line = {
    type: "scatter",
    mode: "lines",
    name: "nothing is better in both",
    x: front.map((row) => time("median", row)),
    y: front.map(error),
    line: { color: NEUTRAL, dash: "dot", shape: "hv", width: 1.5 },
    hoverinfo: "skip",
  };
  const marks = rows.map(function (row) {
    const look = lookOf(curveOf(row));
    const size = 9 + 17 * Math.sqrt((memoryOf(row) || 0) / most);
    return {
      type: "scatter",
      mode: "markers",
      name: plotText(curveOf(row).name),
      x: [time("median", row)],
      y: [error(row)],
      customdata: [latencyWords(row) + ", error " + smoothWords(row) + ", " + memoryHover(row)],
      hovertemplate: "%{fullData.name}<br>%{customdata}<extra></extra>",
      marker: { color: look.color, symbol: look.symbol, size: size },
    };
  });
  const dotted = { color: LIMIT, dash: "dot" };
  const limits = [];
  if (state.latency !== null) {
    limits.push({ type: "line", x0: state.latency, x1: state.latency, yref: "paper", y0: 0, y1: 1, line: dotted });
  }
  if (state.error !== null && state.error > 0) {
    limits.push({ type: "line", y0: state.error, y1: state.error, xref: "paper", x0: 0, x1: 1, line: dotted });
  }
  const seconds = rows.map((row) => time("median", row));
  const [xaxis, yaxis] = [secondAxis(seconds, "latency, median"), errorAxis(rows.map(error))];
  return { data: [line, ...marks], layout: { xaxis: xaxis, yaxis: yaxis, shapes: limits } };
}

function memoryHover(row) {
  return memoryOf(row) === null ? "memory not measured" : memoryWords(row);
}

function splitChart() {
  const rows = ranked(state.setting, state.n).filter((row) => splitOf(row) !== null && shown(curveOf(row))).reverse();
  if (!rows.length) {
    return nothing("has a time split at " + state.at);
  }
  const traces = data.stages.map((stage, at) => ({
    type: "bar",
    orientation: "h",
    name: stage,
    y: rows.map((row) => plotText(curveOf(row).name)),
    x: rows.map((row) => Number((splitOf(row)[at] * 100).toFixed(1))),
    hovertemplate: "%{y}<br>%{fullData.name} %{x}%<extra></extra>",
    marker: { color: STAGE_COLORS[stage] },
  }));
  return {
    data: traces,
    layout: {
      barmode: "stack",
      showlegend: true,
      xaxis: { title: { text: "share of a call's time" }, ticksuffix: "%", range: [0, 100] },
      yaxis: { type: "category" },
      height: 140 + 30 * rows.length,
    },
  };
}
