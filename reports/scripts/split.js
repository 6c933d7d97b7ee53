// The share of each stage in the time of a call, at one length.
/** @type {Record<string, string>} */
const STAGE_COLORS = { projections: "#4c78a8", attention: "#f58518", transform: "#54a24b", other: "#9d9da1" };

/** @type {ChartMaker} */
function splitChart() {
  const rows = rankedRows(state.facet, state.n).filter((row) => isShown(curveOf(row))).reverse();
  const profiled = rows.flatMap(function (row) {
    const shares = stageShares(row);
    return shares === null ? [] : [{ name: plotText(curveOf(row).name), shares: shares }];
  });
  if (!profiled.length) {
    return emptyReason("has a time split at n = " + state.n);
  }
  const traces = data.stages.map((stage, at) => ({
    type: "bar",
    orientation: "h",
    name: stage,
    y: profiled.map(({ name }) => name),
    x: profiled.map(({ shares }) => Number((shares[at] * 100).toFixed(1))),
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
      height: 140 + 30 * profiled.length,
    },
  };
}
