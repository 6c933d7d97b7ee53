// Charts of something against length: a line for each method and ratio, broken where nothing was measured.
const NEUTRAL = "#7d8590";
const LIMIT = "#c0392b";
const MOST_MARKS = 2000; // a chart with more is slow to draw and says less

function lookOf(curve) {
  return curve.method === state.reference
    ? { color: NEUTRAL, dash: "solid", symbol: "circle", width: 4 }
    : { color: curve.color, dash: curve.dash, symbol: curve.symbol, width: 2 };
}

// The curves of the setting that are to be seen, as many as a chart can hold.
function curvesShown() {
  return curvesWanted().slice(0, mostCurves());
}

function curvesWanted() {
  return curvesOf(state.setting).filter(([curve]) => shown(curve));
}

function mostCurves() {
  return Math.max(1, Math.floor(MOST_MARKS / state.setting.lengths.length));
}

// That a chart does not hold them all, and what to do about it.
function leftOut() {
  const more = curvesWanted().length - mostCurves();
  return more > 0 ? more + " more of the methods are not drawn: choose a ratio, or hide some of those before them." : "";
}

// A text for plotly, which would take markup in it for its own.
function plotText(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function lineTrace(curve, values, words) {
  const look = lookOf(curve);
  return {
    type: "scatter",
    mode: "lines+markers",
    name: plotText(curve.name),
    x: state.setting.lengths,
    y: values,
    customdata: words,
    hovertemplate: "%{fullData.name}<br>n = %{x}<br>%{customdata}<extra></extra>",
    connectgaps: false,
    line: { color: look.color, width: look.width, dash: look.dash },
    marker: { color: look.color, symbol: look.symbol, size: 8 },
  };
}

// A level across the chart, such as a budget; as a trace, so that the axis reaches it.
function levelTrace(name, level) {
  const lengths = state.setting.lengths;
  return {
    type: "scatter",
    mode: "lines+text",
    name: name,
    x: lengths.length > 1 ? [lengths[0], lengths[lengths.length - 1]] : [lengths[0] / 1.2, lengths[0] * 1.2],
    y: [level, level],
    text: [name, ""],
    textposition: "top right",
    textfont: { color: LIMIT, size: 12 },
    line: { color: LIMIT, dash: "dot", width: 2 },
    hoverinfo: "skip",
  };
}

// Where the chosen length is.
function lengthMark() {
  return { type: "line", x0: state.n, x1: state.n, yref: "paper", y0: 0, y1: 1, line: { color: NEUTRAL, width: 1, dash: "dot" } };
}

function latencyChart(width) {
  const names = { median: "median", p95: "95th percentile", p99: "99th percentile" };
  const traces = curvesShown().map(([curve, rows]) => latencyTrace(curve, rows));
  const seconds = traces.flatMap((trace) => trace.y).filter((value) => value !== null);
  if (!seconds.length) {
    return state.tail === "median" ? nothing("was timed") : nothing("has a " + state.tail) + " A p95 takes 20 samples, a p99 299.";
  }
  if (state.latency !== null) {
    traces.push(levelTrace("budget " + secondsWords(state.latency), state.latency));
    seconds.push(state.latency);
  }
  const yaxis = secondAxis(seconds, "latency, " + names[state.tail]);
  const layout = { xaxis: lengthAxis(state.setting.lengths, width), yaxis: yaxis, shapes: [lengthMark()] };
  return { data: traces, layout: layout, note: leftOut() };
}

function latencyTrace(curve, rows) {
  const values = rows.map((row) => (row === null ? null : time(state.tail, row)));
  const words = rows.map((row) => (row === null ? "" : time("median", row) === null ? statusOf(row) : latencyHover(row)));
  const trace = lineTrace(curve, values, words);
  if (state.tail === "median") {
    const ends = (name) => rows.map((row, at) => (values[at] === null ? null : (values[at] * value(name, row)) / 1000));
    trace.error_y = { type: "data", symmetric: false, array: ends("above"), arrayminus: ends("below"), thickness: 1, width: 3 };
  }
  return trace;
}

function latencyHover(row) {
  const tails = ["p95", "p99"].filter((name) => value(name, row) !== null).map((name) => name + " " + timeWords(name, row));
  return [latencyWords(row), ...tails].join("<br>");
}

function memoryChart(width) {
  const sizeOf = state.kind === "process" ? processOf : (row) => value("memory", row);
  const traces = curvesShown().map(([curve, rows]) => memoryTrace(curve, rows, sizeOf));
  const drawn = traces.filter((trace) => trace.y.some((size) => size !== null));
  const sizes = drawn.flatMap((trace) => trace.y).filter((size) => size !== null);
  if (!sizes.length) {
    return nothing(state.kind === "process" ? "has a measured growth of the process" : "has a measured memory");
  }
  const capacity = data.runs[state.setting.run].capacity;
  if (capacity !== null && greatest(sizes) > capacity / 8) {
    drawn.push(levelTrace("this machine: " + sizeWords(capacity), capacity));
    sizes.push(capacity);
  }
  if (state.memory !== null) {
    drawn.push(levelTrace("budget " + sizeWords(state.memory), state.memory));
    sizes.push(state.memory);
  }
  const yaxis = byteAxis(sizes, state.kind === "process" ? "growth of the process" : "memory beside the input");
  const layout = { xaxis: lengthAxis(state.setting.lengths, width), yaxis: yaxis, shapes: [lengthMark()] };
  return { data: drawn, layout: layout, note: leftOut() };
}

function memoryTrace(curve, rows, sizeOf) {
  const sizes = rows.map((row) => (row === null ? null : sizeOf(row) || null)); // a logarithmic axis has no zero
  const words = rows.map(function (row, at) {
    const estimate = row !== null && statusOf(row) === "oom" ? " (estimate: out of memory)" : "";
    return sizes[at] === null ? "" : sizeWords(sizes[at]) + estimate;
  });
  const trace = lineTrace(curve, sizes, words);
  const symbol = trace.marker.symbol;
  trace.marker.symbol = rows.map((row) => (row !== null && statusOf(row) === "oom" ? symbol + "-open" : symbol));
  return trace;
}

// Why a chart is empty, with the choices that made it so.
function nothing(what) {
  const filters = [];
  if (state.ratio !== null) {
    filters.push("ratio " + state.ratio);
  }
  if (state.hidden.size) {
    filters.push("without " + Array.from(state.hidden).join(", "));
  }
  const where = [state.setting.words, ...filters].filter(Boolean).join(", ");
  return "Nothing " + what + (where ? " with " + where : "") + ".";
}
