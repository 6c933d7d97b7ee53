// The speed-up over the reference as a heatmap of method and length, coloured around 1x.
/** @type {[number, string][]} */
const SPEED_COLORS = [[0, "#b35806"], [0.25, "#fdb863"], [0.5, "#f7f7f7"], [0.75, "#b2abd2"], [1, "#542788"]];
const CELL = { width: 64, height: 30 };

/** @type {ChartMaker} */
function speedupChart(width) {
  const reference = state.reference ?? "";
  const curves = drawnCurves().filter(([curve]) => curve.method !== reference).reverse();
  if (!curves.length) {
    return emptyReason("was measured beside " + reference);
  }
  const lengths = state.facet.lengths;
  const names = curves.map(([curve]) => plotText(curve.name));
  const text = (/** @type {Row | null} */ row) => (row === null ? "" : heatmapCell(reference, row));
  const octaves = function (/** @type {Row | null} */ row) {
    const found = row === null ? null : speedupOver(reference, row);
    return found === null ? null : Math.max(-4, Math.min(4, Math.log2(found.ratio)));
  };
  const map = function (/** @type {(row: Row | null) => number | null} */ level, /** @type {[number, string][]} */ colors) {
    return {
      type: "heatmap",
      x: lengths.map(String),
      y: names,
      z: curves.map(([, rows]) => rows.map(level)),
      text: curves.map(([, rows]) => rows.map((row) => (level(row) === null ? "" : text(row)))),
      texttemplate: "%{text}",
      hovertemplate: "%{y}<br>n = %{x}<br>%{text}<extra></extra>",
      hoverongaps: false,
      colorscale: colors,
      zmin: -4,
      zmax: 4,
      xgap: 2,
      ygap: 2,
      showscale: false,
    };
  };
  // Cells without a ratio are coloured too: plotly picks a readable colour for a cell's text only where it has a ground.
  const ground = cssColor("--panel");
  const without = map((row) => (octaves(row) === null ? 0 : null), [[0, ground], [1, ground]]);
  const column = lengths.indexOf(state.n);
  const line = { color: NEUTRAL_COLOR, width: 2 };
  const chosen = { type: "rect", x0: column - 0.5, x1: column + 0.5, yref: "paper", y0: 0, y1: 1, line: line };
  const margin = 24 + 7.5 * maximum(names.map((name) => name.length));
  return {
    note: omittedNote(),
    data: [map(octaves, SPEED_COLORS), without],
    layout: {
      xaxis: { type: "category", title: { text: "sequence length n" }, showgrid: false },
      yaxis: { type: "category", showgrid: false },
      shapes: [chosen],
      height: 90 + CELL.height * curves.length,
      width: Math.max(width, margin + CELL.width * lengths.length),
    },
    clicked: (point) => chooseCell(curves[names.indexOf(point.y)][0], point.x),
  };
}

/**
 * Choose the length of a cell and what its method keeps. A method that does not compress shows all.
 * @param {Curve} curve
 * @param {string} length
 */
function chooseCell(curve, length) {
  choose({ n: length, ratio: String(curve.ratio ?? ""), kept: String(curve.kept ?? "") });
}
