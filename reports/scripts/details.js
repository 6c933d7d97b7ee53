// What a row of the table opens to: the command that measures it again, its failure, its warnings, what ran, and its
// samples.

/** @param {Row} row */
function rowDetails(row) {
  const command = "dctbench run " + curveOf(row).flags + " --seq " + lengthOf(row) + " " + facetOf(row).flags;
  /** @type {HTMLElement[]} */
  const parts = [make("p", {}, make("code", {}, command))];
  const failure = failureOf(row);
  if (failure !== null) {
    parts.push(make("p", {}, failure));
  }
  const printed = valueAt("printed", row);
  if (printed !== null) {
    parts.push(make("pre", { tabindex: "0" }, data.rows.printed[printed]));
  }
  const warnings = (valueAt("warnings", row) || []).map((code) => make("li", {}, sentence(code)));
  if (warnings.length) {
    parts.push(make("ul", {}, ...warnings));
  }
  const ran = valueAt("ran", row);
  if (ran !== null) {
    parts.push(make("p", {}, sentence(ran)));
  }
  const samples = samplesOf(row);
  if (samples !== null) {
    const [drawn, total] = [samples.shares.length, valueAt("count", row) ?? 0];
    const samplesOfAll = total + (total === 1 ? " sample" : " samples");
    const which = drawn < total ? drawn + " of " + samplesOfAll : samplesOfAll;
    const range = formatSeconds(samples.least) + " to " + formatSeconds(samples.greatest);
    const caption = which + " in the order taken, " + range;
    parts.push(make("figure", { class: "samples" }, sampleStrip(samples.shares, caption), make("figcaption", {}, caption)));
  }
  return make("div", {}, ...parts);
}

/**
 * The samples as dots from left to right in the order taken. All dots are one path, which is quick for any number.
 * @param {number[]} shares of the range of the samples
 * @param {string} caption
 */
function sampleStrip(shares, caption) {
  const [width, height, edge] = [600, 60, 4]; // as in the viewBox in sections/results.html.j2
  const x = (/** @type {number} */ at) => edge + (shares.length > 1 ? (at / (shares.length - 1)) * (width - 2 * edge) : width / 2);
  const y = (/** @type {number} */ share) => height - edge - share * (height - 2 * edge);
  const dots = shares.map((share, at) => "M" + x(at).toFixed(1) + " " + y(share).toFixed(1) + "h0").join("");
  const template = /** @type {HTMLTemplateElement} */ (byId("strip"));
  const svg = /** @type {SVGElement} */ (document.importNode(template.content, true).firstElementChild);
  svg.setAttribute("aria-label", caption);
  svg.querySelector("path")?.setAttribute("d", dots);
  return svg;
}
