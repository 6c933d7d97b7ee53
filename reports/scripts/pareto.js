// Error against latency at one length. The front is always of what approximates exact attention.
const MIN_ERROR = 1e-8; // exact methods in float64 differ by less, and a logarithmic axis has no zero

/** @type {ChartMaker} */
function paretoChart() {
  const all = state.differences === "all";
  const shownError = (/** @type {Row} */ row) => all ? valueAt("smooth", row) : comparableError("smooth", row);
  const rows = rankedRows(state.facet, state.n).filter((row) => shownError(row) !== null && isShown(curveOf(row)));
  if (!rows.length) {
    return emptyReason((all ? "" : "that approximates exact attention ") + "has a measured error at n = " + state.n);
  }
  if (!all && rows.every((row) => curveOf(row).exact)) {
    if (curvesOf(state.facet).some(([curve]) => approximates(curve) && !curve.exact)) {
      return emptyReason("that approximates exact attention has a measured error at n = " + state.n);
    }
    return "No method here approximates exact attention. Choose \u201cof every method\u201d to see how far each is from it.";
  }
  const error = (/** @type {Row} */ row) => Math.max(numberAt("smooth", row), MIN_ERROR);
  const most = maximum(rows.map((row) => measuredMemory(row) || 0)) || 1;
  const front = rows.filter((row) => data.rows.front[row] === "y");
  const frontTrace = {
    type: "scatter",
    mode: "lines",
    name: "Pareto front",
    x: front.map((row) => secondsAt("mean", row)),
    y: front.map(error),
    line: { color: NEUTRAL_COLOR, dash: "dot", shape: "hv", width: 1.5 },
    hoverinfo: "skip",
  };
  const marks = rows.map(function (row) {
    const look = lookOf(curveOf(row));
    const size = 9 + 17 * Math.sqrt((measuredMemory(row) || 0) / most);
    return {
      type: "scatter",
      mode: "markers",
      name: plotText(curveOf(row).name),
      x: [secondsAt("mean", row)],
      y: [error(row)],
      customdata: [latencyCell(row) + ", error " + smoothErrorCell(row) + ", " + memoryHover(row)],
      hovertemplate: "%{fullData.name}<br>%{customdata}<extra></extra>",
      marker: { color: look.color, symbol: look.symbol + (approximates(curveOf(row)) ? "" : "-open"), size: size },
    };
  });
  const dotted = { color: limitColor(), dash: "dot" };
  const budgets = [];
  if (state.latency !== null) {
    budgets.push({ type: "line", x0: state.latency, x1: state.latency, yref: "paper", y0: 0, y1: 1, line: dotted });
  }
  if (state.error !== null && state.error > 0) {
    budgets.push({ type: "line", y0: state.error, y1: state.error, xref: "paper", x0: 0, x1: 1, line: dotted });
  }
  const seconds = rows.map((row) => secondsAt("mean", row)).filter(isPresent);
  const [xaxis, yaxis] = [secondAxis(seconds, "latency"), errorAxis(rows.map(error))];
  const ofTail = state.latency !== null && budgetsFor(rows).every((budget) => budget.name !== data.choice.mean);
  const note = ofTail ? "The vertical line is the budget of the p99 latency, and the marks are at the mean." : "";
  return { data: [frontTrace, ...marks], layout: { xaxis: xaxis, yaxis: yaxis, shapes: budgets }, note: note };
}

/** @param {Row} row */
function memoryHover(row) {
  return measuredMemory(row) === null ? "memory not measured" : memoryCell(row);
}
