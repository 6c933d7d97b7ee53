// What the reader has chosen. It is kept in the hash of the URL only, so that a link and "back" restore it.
const HASH_NAMES = [
  "run", "n", "ratio", "kept", "reference", "tail", "kind", "differences", "latency", "memory", "error", "late", "hide", "find",
  "sort", "every",
];
/**
 * The choices in the hash, as text.
 * @type {Record<string, string>}
 */
let choices = {};
/** @type {State} */
let state;

function readHash() {
  const given = new URLSearchParams(window.location.hash.slice(1));
  const names = HASH_NAMES.concat(data.axes);
  choices = Object.fromEntries(names.filter((name) => given.has(name)).map((name) => [name, given.get(name) ?? ""]));
}

/**
 * Change some choices and show the result.
 * @param {Record<string, string>} changes an empty text removes a choice
 * @param {{ replace?: boolean }} [options] `replace` adds no entry for "back", as for each key typed
 */
function choose(changes, { replace = false } = {}) {
  const next = Object.entries({ ...choices, ...changes }).filter(([, text]) => text !== "");
  const hash = "#" + new URLSearchParams(next).toString();
  window.history[replace ? "replaceState" : "pushState"](null, "", hash);
  render();
}

/**
 * The facet of a run that has the most of these values on its axes.
 * @param {number} run
 * @param {Record<string, string>} values
 * @param {string} [required] an axis on which the facet must have the value
 */
function nearestFacet(run, values, required) {
  const agrees = (/** @type {Facet} */ facet, /** @type {string} */ axis) =>
    values[axis] === undefined || values[axis] === String(facet.axes[axis]);
  const candidates = data.facets.filter((facet) => facet.run === run && (!required || agrees(facet, required)));
  const score = (/** @type {Facet} */ facet) => data.axes.filter((axis) => agrees(facet, axis)).length;
  return candidates.reduce((best, facet) => (score(facet) > score(best) ? facet : best));
}

/**
 * The values of a facet on its axes, as text.
 * @param {Facet} facet
 */
function axisValues(facet) {
  return Object.fromEntries(data.axes.map((axis) => [axis, String(facet.axes[axis])]));
}

/**
 * Choose a value on one axis. The other axes change if this combination was not measured.
 * @param {string} axis
 * @param {string} text
 */
function chooseAxis(axis, text) {
  chooseFacet(nearestFacet(state.facet.run, { ...axisValues(state.facet), [axis]: text }, axis));
}

/** @param {Facet} facet */
function chooseFacet(facet) {
  choose({ run: facet.run ? String(facet.run) : "", ...axisValues(facet) });
}

/** @param {number} run */
function chooseRun(run) {
  chooseFacet(nearestFacet(run, axisValues(state.facet)));
}

/**
 * The state for the choices in the hash. A choice that this page does not have falls back to its default.
 * @returns {State}
 */
function resolveState() {
  const run = data.runs[Number(choices.run)] ? Number(choices.run) : 0;
  const facet = nearestFacet(run, choices);
  const curves = curvesOf(facet).map(([curve]) => curve);
  const ratios = Array.from(new Set(curves.map((curve) => curve.ratio).filter(isPresent)));
  const numbers = Array.from(new Set(curves.map((curve) => curve.kept).filter(isPresent)));
  const n = facet.lengths.includes(Number(choices.n)) ? Number(choices.n) : facet.opens;
  return {
    facet: facet,
    n: n,
    at: "n = " + n + (facet.label ? ", " + facet.label : ""),
    ratios: ratios.sort((a, b) => a - b),
    ratio: ratios.includes(Number(choices.ratio)) ? Number(choices.ratio) : null,
    numbers: numbers.sort((a, b) => a - b),
    kept: numbers.includes(Number(choices.kept)) ? Number(choices.kept) : null,
    reference: data.references.includes(choices.reference) ? choices.reference : data.reference,
    tail: choices.tail === "p95" || choices.tail === "p99" ? choices.tail : "mean",
    kind: choices.kind === "process" ? "process" : "tensor",
    differences: choices.differences === "all" ? "all" : "errors",
    latency: choices.latency ? parseDuration(choices.latency) : null,
    memory: choices.memory ? parseSize(choices.memory) : null,
    error: choices.error ? parseShare(choices.error) : null,
    late: (facet.deadline !== null && choices.late ? parseShare(choices.late) : null) ?? facet.miss_rate,
    hidden: new Set(choices.hide ? choices.hide.split(",").map(unescapeName) : []),
    find: choices.find || "",
    sort: choices.sort || "",
    every: choices.every === "1",
  };
}

/**
 * Whether the choices show a curve.
 * @param {Curve} curve
 */
function isShown(curve) {
  return !state.hidden.has(curve.name) && keepsAsChosen(curve);
}

/**
 * Whether a curve keeps what is chosen. A choice of one kind says nothing about curves of the other, or of neither.
 * @param {Curve} curve
 */
function keepsAsChosen(curve) {
  const asRatio = state.ratio === null || curve.ratio === null || curve.ratio === state.ratio;
  return asRatio && (state.kept === null || curve.kept === null || curve.kept === state.kept);
}

/** What is chosen of ratio and number kept, in words. */
function chosenCompression() {
  return [
    state.ratio === null ? null : "ratio " + state.ratio,
    state.kept === null ? null : "kept " + state.kept,
  ].filter(isPresent);
}

/** @param {string} name */
function toggleCurve(name) {
  const hidden = new Set(state.hidden);
  if (!hidden.delete(name)) {
    hidden.add(name);
  }
  choose({ hide: Array.from(hidden).map(escapeName).join(",") });
}

/**
 * A name for a list that is separated by commas.
 * @param {string} name
 */
function escapeName(name) {
  return name.replace(/%/g, "%25").replace(/,/g, "%2C");
}

/** @param {string} text */
function unescapeName(text) {
  return text.replace(/%2C/g, ",").replace(/%25/g, "%");
}
