// What a row opens to: how to measure it again, what went wrong, and its samples.
function rowDetails(row) {
  const command = "dctbench run " + curveOf(row).flags + " --seq " + lengthOf(row) + " " + settingOf(row).flags;
  const parts = [make("p", {}, make("code", {}, command))];
  const failure = value("failure", row);
  if (failure !== null) {
    parts.push(make("p", {}, sentence(failure)));
  }
  const warnings = (value("warnings", row) || []).map((code) => make("li", {}, sentence(code)));
  if (warnings.length) {
    parts.push(make("ul", {}, ...warnings));
  }
  const samples = samplesOf(row);
  if (samples !== null) {
    const [shown, many] = [samples.shares.length, value("count", row)];
    const which = shown < many ? shown + " of " + many + " samples" : many + " samples";
    const words = which + " in the order taken, " + secondsWords(samples.least) + " to " + secondsWords(samples.greatest);
    parts.push(make("figure", { class: "samples" }, sampleStrip(samples.shares, words), make("figcaption", {}, words)));
  }
  return make("div", {}, ...parts);
}

// The samples as dots from left to right in the order taken: one path, however many they are.
function sampleStrip(shares, words) {
  const [width, height, edge] = [600, 60, 4]; // as the drawing in sections/results.html.j2 has it
  const x = (at) => edge + (shares.length > 1 ? (at / (shares.length - 1)) * (width - 2 * edge) : width / 2);
  const y = (share) => height - edge - share * (height - 2 * edge);
  const dots = shares.map((share, at) => "M" + x(at).toFixed(1) + " " + y(share).toFixed(1) + "h0").join("");
  const svg = byId("strip").content.firstElementChild.cloneNode(true);
  svg.setAttribute("aria-label", words);
  svg.querySelector("path").setAttribute("d", dots);
  return svg;
}
