// How near to what the machine can do: achieved FLOP/s against FLOPs per byte, under the ceilings measured there.
const GIGA = 1e9;
const BEYOND = 2; // how far the ceilings reach beyond the outermost marks, as a factor

function roofWords(row) {
  const words = {
    rate: countWords(value("rate", row) * GIGA, "FLOP/s"),
    share: percentWords(value("share", row)),
    ceiling: wordOf("bound", data.roof.ceilings, row),
    intensity: threeDigits(value("intensity", row)),
  };
  return data.roof.words.replace(/\{(\w+)\}/g, (_, name) => words[name]);
}

function roofLine(row) {
  return curveOf(row).name + ": " + roofWords(row);
}

function rooflineChart() {
  const curves = curvesShown()
    .map(([curve, rows]) => [curve, rows.filter((row) => row !== null && value("rate", row) !== null)])
    .filter(([, rows]) => rows.length);
  if (!curves.length) {
    return nothing("stands under measured ceilings");
  }
  const rows = curves.flatMap(([, found]) => found);
  const ridges = state.setting.ceilings.map(([compute, bandwidth]) => compute / bandwidth);
  const places = rows.map((row) => value("intensity", row)).concat(ridges);
  const ends = [least(places) / BEYOND, greatest(places) * BEYOND];
  const ceilings = state.setting.ceilings.flatMap((roof) => ceilingTraces(roof, ends));
  const rates = rows.map((row) => value("rate", row) * GIGA).concat(ceilings.flatMap((trace) => trace.y));
  return {
    note: leftOut(),
    data: ceilings.concat(curves.map(([curve, found]) => roofTrace(curve, found))),
    layout: {
      xaxis: countAxis(ends, "FLOP per byte"),
      yaxis: countAxis(rates, "achieved rate", "FLOP/s"),
    },
  };
}

// The memory's slope up to the ridge, and from there the flat ceiling of the products.
function ceilingTraces([compute, bandwidth], [low, high]) {
  const ridge = compute / bandwidth;
  const memory = "memory: " + countWords(bandwidth, "B/s");
  const product = "compute: " + countWords(compute, "FLOP/s");
  const line = (name, x, y, dash, text, place) => ({
    type: "scatter",
    mode: "lines+text",
    name: name,
    x: x,
    y: y,
    text: text,
    textposition: place,
    textfont: { color: LIMIT, size: 12 },
    hoverinfo: "name",
    line: { color: LIMIT, dash: dash, width: 2 },
  });
  return [
    line(memory, [low, ridge], [low * bandwidth, compute], "dash", [memory, ""], "middle right"),
    line(product, [ridge, high], [compute, compute], "solid", ["", product], "top left"),
  ];
}

function roofTrace(curve, rows) {
  const look = lookOf(curve);
  const lengths = state.setting.lengths;
  const steps = Math.max(1, lengths.length - 1);
  return {
    type: "scatter",
    mode: "lines+markers",
    name: plotText(curve.name),
    x: rows.map((row) => value("intensity", row)),
    y: rows.map((row) => value("rate", row) * GIGA),
    customdata: rows.map((row) => [lengthOf(row), roofWords(row)]),
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
