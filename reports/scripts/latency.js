// Latency against length.
/** @type {ChartMaker} */
function latencyChart(width) {
  const names = { mean: "latency", p95: "latency, 95th percentile", p99: "latency, 99th percentile" };
  const traces = drawnCurves().map(([curve, rows]) => latencyTrace(curve, rows));
  const seconds = traces.flatMap((trace) => trace.y).filter(isPresent);
  if (!seconds.length) {
    const needs = " A p95 needs 20 samples, a p99 299, and each sample has to be a single call.";
    return state.tail === "mean" ? emptyReason("was timed") : emptyReason("has a " + state.tail) + needs;
  }
  /** @type {PlotlyTrace[]} */
  const drawn = traces;
  if (state.latency !== null) {
    const of = budgetsFor(rankedRows(state.facet, state.n)).some((budget) => budget.name === data.choice.mean) ? "" : "of p99 ";
    drawn.push(levelTrace("budget " + of + formatSeconds(state.latency), state.latency));
    seconds.push(state.latency);
  }
  const yaxis = secondAxis(seconds, names[state.tail]);
  const layout = { xaxis: lengthAxis(state.facet.lengths, width), yaxis: yaxis, shapes: [chosenLengthLine()] };
  return { data: drawn, layout: layout, note: omittedNote() };
}

/**
 * @param {Curve} curve
 * @param {(Row | null)[]} rows
 */
function latencyTrace(curve, rows) {
  const values = rows.map((row) => (row === null ? null : secondsAt(state.tail, row)));
  const hovers = rows.map((row) => (row === null ? "" : latencyHover(row)));
  const trace = lineTrace(curve, values, hovers);
  if (state.tail === "mean") {
    const ends = (/** @type {"above" | "below"} */ name) =>
      rows.map(function (row, at) {
        const mean = values[at];
        return row === null || mean === null ? null : (mean * numberAt(name, row)) / 1000;
      });
    trace.error_y = { type: "data", symmetric: false, array: ends("above"), arrayminus: ends("below"), thickness: 1, width: 3 };
  }
  return trace;
}

/** @param {Row} row */
function latencyHover(row) {
  if (secondsAt("mean", row) === null) {
    return statusOf(row);
  }
  /** @type {("p95" | "p99")[]} */
  const tails = ["p95", "p99"];
  const measured = tails.filter((name) => valueAt(name, row) !== null);
  return [latencyCell(row), ...measured.map((name) => name + " " + timeCell(name, row))].join("<br>");
}
