// The sentences inside the sections, for the chosen length, facet and reference, and the shown curves.

/** A remark for a chosen ratio or number kept: the sentences of Python are about the methods of all. */
function allCompressionsSuffix() {
  return (state.ratio === null ? "" : " (of all ratios)") + (state.kept === null ? "" : " (of all numbers kept)");
}

function renderSections() {
  const facet = state.facet;
  const { shapes, payoffs } = facet.by_reference[state.reference || ""];
  const names = new Set(data.curves.filter(isShown).map((curve) => curve.name));
  const linesOf = (/** @type {Line[]} */ lines) => lines.filter(([name]) => names.has(name)).map(([, code]) => sentence(code));
  const placed = rankedRows(facet, state.n).filter((row) => valueAt("rate", row) !== null && isShown(curveOf(row)));
  renderList("payoffs", linesOf(payoffs));
  renderList("misfits", linesOf(facet.misfits));
  renderList("scalings", linesOf(facet.scalings));
  renderList("roofs", placed.map(rooflineSentence));
  renderList("energy", facet.energy.map(sentence));
  const [fastest, leanest] = (shapes[state.n] ?? []).map(sentence);
  const nothing = phrase("nothing_timed", { place: state.at });
  setText("fastest", fastest === undefined ? nothing : "At " + state.at + ", " + fastest + allCompressionsSuffix() + ".");
  setText("leanest", leanest === undefined ? nothing : leanest);
  setText("nearest", facet.nearest[state.n] ? sentence(facet.nearest[state.n]) : "");
  findAll("[data-facets]").forEach(function (part) {
    part.hidden = !(part.dataset.facets ?? "").split(" ").includes(String(facet.number));
  });
  findAll("[data-run]").forEach((part) => (part.hidden = Number(part.dataset.run) !== facet.run));
  findAll('[data-text="reference"]').forEach((element) => (element.textContent = state.reference));
  findAll('[data-text="at"]').forEach((element) => (element.textContent = " at " + state.at));
}

/**
 * Replace a sentence that Python renders too.
 * @param {string} name
 * @param {string} text
 */
function setText(name, text) {
  find('[data-text="' + name + '"]').replaceChildren(...keepNumbersTogether(text));
}
