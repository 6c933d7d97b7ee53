// What the reader has chosen. The URL's hash is the only place where it is kept: a link restores it, "back" undoes it.
const PLAIN = ["run", "n", "ratio", "reference", "tail", "kind", "latency", "memory", "error", "hide", "find", "sort", "every"];
let wanted = {};
let state = null;

function readHash() {
  const given = new URLSearchParams(window.location.hash.slice(1));
  const names = PLAIN.concat(data.axes);
  wanted = Object.fromEntries(names.filter((name) => given.has(name)).map((name) => [name, given.get(name)]));
}

// Choose something: an empty text takes a choice back. `quietly` leaves no entry for "back", as for each key typed.
function go(changes, quietly) {
  const next = Object.assign({}, wanted, changes);
  const words = Object.entries(next).filter(([, text]) => text !== "" && text !== null && text !== undefined);
  const hash = "#" + new URLSearchParams(words).toString();
  window.history[quietly ? "replaceState" : "pushState"](null, "", hash);
  apply();
}

// The setting with these values on its axes, or the nearest to them; `firm` names an axis that must agree.
function nearestSetting(run, values, firm) {
  const agrees = (setting, axis) => values[axis] === undefined || values[axis] === String(setting.axes[axis]);
  const candidates = data.settings.filter((setting) => setting.run === run && (!firm || agrees(setting, firm)));
  const score = (setting) => data.axes.filter((axis) => agrees(setting, axis)).length;
  return candidates.reduce((best, setting) => (score(setting) > score(best) ? setting : best));
}

// Choose a value on one axis; what was not measured with it gives way on the others.
function goAxis(axis, text) {
  const values = {};
  data.axes.forEach((name) => (values[name] = String(state.setting.axes[name])));
  values[axis] = text;
  goSetting(nearestSetting(state.setting.run, values, axis));
}

function goSetting(setting) {
  const changes = { run: setting.run ? String(setting.run) : "" };
  data.axes.forEach((axis) => (changes[axis] = String(setting.axes[axis])));
  go(changes);
}

function goRun(run) {
  const values = {};
  data.axes.forEach((name) => (values[name] = String(state.setting.axes[name])));
  goSetting(nearestSetting(run, values));
}

// From what is wanted to what there is: words that name nothing here fall back to what is shown at first.
function settle() {
  const run = data.runs[Number(wanted.run)] ? Number(wanted.run) : 0;
  const setting = nearestSetting(run, wanted);
  const longest = setting.lengths.filter((n) => ranked(setting, n).length).pop() ?? setting.lengths[setting.lengths.length - 1];
  const ratios = Array.from(new Set(curvesOf(setting).map(([curve]) => curve.ratio).filter((ratio) => ratio !== null)));
  const n = setting.lengths.includes(Number(wanted.n)) ? Number(wanted.n) : longest;
  return {
    setting: setting,
    n: n,
    at: "n = " + n + (setting.words ? ", " + setting.words : ""),
    ratios: ratios.sort((a, b) => a - b),
    ratio: ratios.includes(Number(wanted.ratio)) ? Number(wanted.ratio) : null,
    reference: data.references.includes(wanted.reference) ? wanted.reference : data.reference,
    tail: ["p95", "p99"].includes(wanted.tail) ? wanted.tail : "median",
    kind: wanted.kind === "process" ? "process" : "tensor",
    latency: wanted.latency ? readSeconds(wanted.latency) : null,
    memory: wanted.memory ? readSize(wanted.memory) : null,
    error: wanted.error ? readShare(wanted.error) : null,
    hidden: new Set(wanted.hide ? wanted.hide.split(",").map(fromList) : []),
    find: wanted.find || "",
    sort: wanted.sort || "",
    every: wanted.every === "1",
  };
}

// Whether a curve is among those that the reader wants to see.
function shown(curve) {
  return !state.hidden.has(curve.name) && ofRatio(curve);
}

// Whether a curve has the chosen ratio, or none that could be chosen.
function ofRatio(curve) {
  return state.ratio === null || curve.ratio === null || curve.ratio === state.ratio;
}

function toggleCurve(name) {
  const hidden = new Set(state.hidden);
  if (!hidden.delete(name)) {
    hidden.add(name);
  }
  go({ hide: Array.from(hidden).map(toList).join(",") });
}

// A name among others in a list that commas part.
function toList(name) {
  return name.replace(/%/g, "%25").replace(/,/g, "%2C");
}

function fromList(word) {
  return word.replace(/%2C/g, ",").replace(/%25/g, "%");
}
