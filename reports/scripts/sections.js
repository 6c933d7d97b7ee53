// The sentences inside the sections, for the chosen length, facet and reference, and the shown curves.

/** A remark for a chosen ratio or number kept: the sentences of Python are about the methods of all. */
function allCompressionsSuffix() {
  return (state.ratio === null ? "" : " (of all ratios)") + (state.kept === null ? "" : " (of all numbers kept)");
}

function renderSections() {
  const facet = state.facet;
  const { shapes, payoffs } = facet.by_reference[state.reference || ""];
  const names = new Set(data.curves.filter(isShown).map((curve) => curve.name));
  const placed = rankedRows(facet, state.n).filter((row) => valueAt("rate", row) !== null && isShown(curveOf(row)));
  renderLines("payoffs", payoffs, names);
  renderLines("misfits", facet.misfits, names);
  renderLines("scalings", facet.scalings, names);
  renderLines("energy", facet.energy, names);
  renderList("roofs", placed.map(rooflineSentence), facet.ceilings.length ? "Nothing that is shown was timed here." : undefined);
  const [fastest, leanest] = (shapes[state.n] ?? []).map(sentence);
  const nothing = phrase("nothing_timed", { place: state.at });
  setText("fastest", fastest === undefined ? nothing : "At " + state.at + ", " + fastest + allCompressionsSuffix() + ".");
  setText("leanest", leanest === undefined ? nothing : leanest + allCompressionsSuffix() + ".");
  setText("nearest", facet.nearest[state.n] ? sentence(facet.nearest[state.n]) + allCompressionsSuffix() + "." : "");
  showFor("facets", facet.number);
  showFor("runs", facet.run);
  findAll('[data-text="reference"]').forEach((element) => (element.textContent = state.reference));
  findAll('[data-text="at"]').forEach((element) => (element.textContent = " at " + state.at));
}

/**
 * Show of the parts that are about some facets or runs those that are about one of them.
 * @param {"facets" | "runs"} what
 * @param {number} number
 */
function showFor(what, number) {
  findAll("[data-" + what + "]").forEach(function (part) {
    part.hidden = !(part.dataset[what] ?? "").split(" ").includes(String(number));
  });
}

/**
 * Fill a list with the lines about the shown curves, and those about no curve.
 * @param {string} id
 * @param {Line[]} lines
 * @param {Set<string>} names of the shown curves
 */
function renderLines(id, lines, names) {
  const shown = lines.filter(([name]) => name === "" || names.has(name));
  const none = lines.length ? "Only methods that are not shown have an entry here." : undefined;
  renderList(id, shown.map(([, code]) => sentence(code)), none);
}

/**
 * Replace a sentence that Python renders too.
 * @param {string} name
 * @param {string} text
 */
function setText(name, text) {
  find('[data-text="' + name + '"]').replaceChildren(...keepNumbersTogether(text));
}
