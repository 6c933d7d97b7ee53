// What the charts of curves share. A curve is a method at a ratio or a number kept; its line breaks where nothing was measured.
const NEUTRAL_COLOR = "#7d8590";
const MAX_MARKS = 2000; // charts with more are slow to draw

/** The colour of budgets and ceilings, readable on the current background. */
function limitColor() {
  return cssColor("--down");
}

/**
 * @param {Curve} curve
 * @returns {Look}
 */
function lookOf(curve) {
  return curve.method === state.reference
    ? { color: NEUTRAL_COLOR, dash: "solid", symbol: "circle", width: 4 }
    : { color: curve.color, dash: curve.dash, symbol: curve.symbol, width: 2 };
}

/** The shown curves, at most as many as a chart can hold. */
function drawnCurves() {
  return shownCurves().slice(0, maxCurves());
}

function shownCurves() {
  return curvesOf(state.facet).filter(([curve]) => isShown(curve));
}

function maxCurves() {
  return Math.max(1, Math.floor(MAX_MARKS / state.facet.lengths.length));
}

/** How many curves a chart leaves out, and how to see them; empty if it leaves out none. */
function omittedNote() {
  const more = shownCurves().length - maxCurves();
  return more > 0 ? more + " more methods are not drawn. Choose a ratio, or hide some of the methods drawn." : "";
}

/**
 * A text for plotly, which interprets markup.
 * @param {string} text
 */
function plotText(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/**
 * @param {Curve} curve
 * @param {(number | null)[]} values one for each length of the facet
 * @param {string[]} hovers
 * @returns {LineTrace}
 */
function lineTrace(curve, values, hovers) {
  const look = lookOf(curve);
  return {
    type: "scatter",
    mode: "lines+markers",
    name: plotText(curve.name),
    x: state.facet.lengths,
    y: values,
    customdata: hovers,
    hovertemplate: "%{fullData.name}<br>n = %{x}<br>%{customdata}<extra></extra>",
    connectgaps: false,
    line: { color: look.color, width: look.width, dash: look.dash },
    marker: { color: look.color, symbol: look.symbol, size: 8 },
  };
}

/**
 * A horizontal line across the chart, such as a budget. It is a trace and not a shape, so that the axis includes it.
 * @param {string} name
 * @param {number} level
 * @returns {PlotlyTrace}
 */
function levelTrace(name, level) {
  const lengths = state.facet.lengths;
  return {
    type: "scatter",
    mode: "lines+text",
    name: name,
    x: lengths.length > 1 ? [lengths[0], lengths[lengths.length - 1]] : [lengths[0] / 1.2, lengths[0] * 1.2],
    y: [level, level],
    text: [name, ""],
    textposition: "top right",
    textfont: { color: limitColor(), size: 12 },
    line: { color: limitColor(), dash: "dot", width: 2 },
    hoverinfo: "skip",
  };
}

/** A vertical line at the chosen length, as a shape of plotly. */
function chosenLengthLine() {
  const line = { color: NEUTRAL_COLOR, width: 1, dash: "dot" };
  return { type: "line", x0: state.n, x1: state.n, yref: "paper", y0: 0, y1: 1, line: line };
}

/**
 * Why a chart is empty, with the choices that made it so.
 * @param {string} what such as "was timed"
 */
function emptyReason(what) {
  const where = [state.facet.label, ...chosenCompression()].filter(Boolean).join(", ");
  const hidden = Array.from(state.hidden).join(", ");
  return "Nothing " + what + (where ? " with " + where : "") + (hidden ? ", without " + hidden : "") + ".";
}

/**
 * @template T
 * @param {T | null} value
 * @returns {value is T}
 */
function isPresent(value) {
  return value !== null;
}
