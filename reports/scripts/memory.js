// Memory against length.
/** @type {ChartMaker} */
function memoryChart(width) {
  const sizeOf = state.kind === "process" ? processBytes : (/** @type {Row} */ row) => valueAt("memory", row);
  const traces = drawnCurves().map(([curve, rows]) => memoryTrace(curve, rows, sizeOf));
  /** @type {PlotlyTrace[]} */
  const drawn = traces.filter((trace) => trace.y.some(isPresent));
  const sizes = traces.flatMap((trace) => trace.y).filter(isPresent);
  if (!sizes.length) {
    return emptyReason(state.kind === "process" ? "has a measured " + state.facet.process : "has a measured memory");
  }
  const [place, capacity] = state.facet.capacity ?? ["", null];
  if (capacity !== null && maximum(sizes) > capacity / 8) {
    drawn.push(levelTrace(place + ": " + formatSize(capacity), capacity));
    sizes.push(capacity);
  }
  if (state.memory !== null && state.kind !== "process") {
    drawn.push(levelTrace("budget " + formatSize(state.memory), state.memory));
    sizes.push(state.memory);
  }
  const yaxis = byteAxis(sizes, state.kind === "process" ? state.facet.process : "memory beside the input");
  const layout = { xaxis: lengthAxis(state.facet.lengths, width), yaxis: yaxis, shapes: [chosenLengthLine()] };
  return { data: drawn, layout: layout, note: omittedNote() };
}

/**
 * @param {Curve} curve
 * @param {(Row | null)[]} rows
 * @param {(row: Row) => number | null} sizeOf
 */
function memoryTrace(curve, rows, sizeOf) {
  const sizes = rows.map((row) => (row === null ? null : sizeOf(row) || null)); // a logarithmic axis has no zero
  const estimated = rows.map((row) => row !== null && statusOf(row) === "oom");
  const hovers = sizes.map((size, at) =>
    size === null ? "" : formatSize(size) + (estimated[at] ? " (estimate: out of memory)" : ""),
  );
  const trace = lineTrace(curve, sizes, hovers);
  const symbol = trace.marker.symbol;
  trace.marker.symbol = estimated.map((isEstimate) => (isEstimate ? symbol + "-open" : String(symbol)));
  return trace;
}
