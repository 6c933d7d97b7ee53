// Achieved FLOP/s against FLOP per byte, below the measured ceilings of the machine.
const GIGA = 1e9;
const CEILING_MARGIN = 2; // the ceilings extend beyond the outermost marks by this factor

/** @param {Row} row */
function rooflineText(row) {
  return fill(data.roof.template, {
    rate: formatCount(numberAt("rate", row) * GIGA, "FLOP/s"),
    share: formatPercent(numberAt("share", row)),
    ceiling: wordAt("bound", data.roof.ceilings, row),
    intensity: formatThreeDigits(numberAt("intensity", row)),
  });
}

/** @param {Row} row */
function rooflineSentence(row) {
  return curveOf(row).name + ": " + rooflineText(row);
}

/** @type {ChartMaker} */
function rooflineChart() {
  const curves = drawnCurves().flatMap(function ([curve, all]) {
    const rows = all.filter(isPresent).filter((row) => valueAt("rate", row) !== null);
    return rows.length ? [{ curve: curve, rows: rows }] : [];
  });
  if (!curves.length) {
    return emptyReason("has measured ceilings");
  }
  const rows = curves.flatMap((found) => found.rows);
  const ridges = state.facet.ceilings.map(([compute, bandwidth]) => compute / bandwidth);
  const intensities = rows.map((row) => numberAt("intensity", row)).concat(ridges);
  /** @type {[number, number]} */
  const ends = [minimum(intensities) / CEILING_MARGIN, maximum(intensities) * CEILING_MARGIN];
  const ceilings = state.facet.ceilings.flatMap((ceiling) => ceilingTraces(ceiling, ends));
  const rates = rows.map((row) => numberAt("rate", row) * GIGA).concat(ceilings.flatMap((trace) => trace.y));
  return {
    note: omittedNote(),
    data: [...ceilings, ...curves.map((found) => rooflineTrace(found.curve, found.rows))],
    layout: {
      xaxis: countAxis(ends, "FLOP per byte"),
      yaxis: countAxis(rates, "achieved rate", "FLOP/s"),
    },
  };
}

/**
 * The slope of the memory bandwidth up to the ridge, and the flat ceiling of the compute rate from there on.
 * @param {[number, number]} ceilings FLOP/s and bytes/s
 * @param {[number, number]} ends of the horizontal axis
 */
function ceilingTraces([compute, bandwidth], [low, high]) {
  const ridge = compute / bandwidth;
  const memory = "memory: " + formatCount(bandwidth, "B/s");
  const product = "compute: " + formatCount(compute, "FLOP/s");
  return [
    ceilingTrace(memory, [low, ridge], [low * bandwidth, compute], "dash", { text: [memory, ""], textposition: "middle right" }),
    ceilingTrace(product, [ridge, high], [compute, compute], "solid", { text: ["", product], textposition: "top left" }),
  ];
}

/**
 * @param {string} name
 * @param {number[]} x
 * @param {number[]} y
 * @param {string} dash
 * @param {{ text: string[], textposition: string }} label
 */
function ceilingTrace(name, x, y, dash, label) {
  return {
    type: "scatter",
    mode: "lines+text",
    name: name,
    x: x,
    y: y,
    ...label,
    textfont: { color: limitColor(), size: 12 },
    hoverinfo: "name",
    line: { color: limitColor(), dash: dash, width: 2 },
  };
}

/**
 * The marks of a curve, larger with n.
 * @param {Curve} curve
 * @param {Row[]} rows
 */
function rooflineTrace(curve, rows) {
  const look = lookOf(curve);
  const lengths = state.facet.lengths;
  const steps = Math.max(1, lengths.length - 1);
  return {
    type: "scatter",
    mode: "lines+markers",
    name: plotText(curve.name),
    x: rows.map((row) => numberAt("intensity", row)),
    y: rows.map((row) => numberAt("rate", row) * GIGA),
    customdata: rows.map((row) => [lengthOf(row), rooflineText(row)]),
    hovertemplate: "%{fullData.name}<br>n = %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    line: { color: look.color, width: 0.75 * look.width, dash: look.dash },
    marker: {
      color: look.color,
      symbol: look.symbol,
      opacity: 1,
      line: { width: 0 },
      size: rows.map((row) => 6 + (7 * lengths.indexOf(lengthOf(row))) / steps),
    },
  };
}
