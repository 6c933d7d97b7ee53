// Where does it win: the speed-up over the reference as a map of method by length, coloured around 1x.
const SPEED_COLORS = [[0, "#b35806"], [0.25, "#fdb863"], [0.5, "#f7f7f7"], [0.75, "#b2abd2"], [1, "#542788"]];
const CELL = { width: 64, height: 30 };

function speedupChart(width) {
  const curves = curvesShown().filter(([curve]) => curve.method !== state.reference).reverse();
  if (!curves.length) {
    return nothing("was measured beside " + state.reference);
  }
  const lengths = state.setting.lengths;
  const shade = function (row) {
    const found = row === null ? null : against(state.reference, row);
    return found === null ? null : Math.max(-4, Math.min(4, Math.log2(found.ratio)));
  };
  const names = curves.map(([curve]) => plotText(curve.name));
  const words = (row) => (row === null ? "" : cellWords(state.reference, row));
  const map = function (shown, colors) {
    return {
      type: "heatmap",
      x: lengths.map(String),
      y: names,
      z: curves.map(([, rows]) => rows.map(shown)),
      text: curves.map(([, rows]) => rows.map((row) => (shown(row) === null ? "" : words(row)))),
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
  // A cell without a ratio has a colour too, or its words would have none that can be read on any ground.
  const ground = color("--panel");
  const without = map((row) => (shade(row) === null ? 0 : null), [[0, ground], [1, ground]]);
  const column = lengths.indexOf(state.n);
  const line = { color: NEUTRAL, width: 2 };
  const chosen = { type: "rect", x0: column - 0.5, x1: column + 0.5, yref: "paper", y0: 0, y1: 1, line: line };
  const margin = 24 + 7.5 * greatest(names.map((name) => name.length));
  return {
    note: leftOut(),
    data: [map(shade, SPEED_COLORS), without],
    layout: {
      xaxis: { type: "category", title: { text: "sequence length n" }, showgrid: false },
      yaxis: { type: "category", showgrid: false },
      shapes: [chosen],
      height: 90 + CELL.height * curves.length,
      width: Math.max(width, margin + CELL.width * lengths.length),
    },
    clicked: (point) => takeCell(curves[names.indexOf(point.y)][0], point.x),
  };
}

// A cell's length and ratio are taken everywhere; the cell of a method without a ratio shows all ratios.
function takeCell(curve, length) {
  go({ n: length, ratio: curve.ratio === null ? "" : String(curve.ratio) });
}
