// Downloads the rows of the table, with the digits that the page has. `dctbench export` writes raw samples.
function downloadButtons() {
  return [
    make("button", { type: "button", onclick: downloadCsv }, "Download CSV"),
    make("button", { type: "button", onclick: downloadJson }, "Download JSON"),
  ];
}

function downloadCsv() {
  download("dctbench-results.csv", "text/csv", csvText(listedRows.map(recordOf)));
}

function downloadJson() {
  download("dctbench-results.json", "application/json", JSON.stringify(listedRows.map(recordOf), null, 1));
}

/**
 * @param {Row} row
 * @returns {Record<string, string | number | null>}
 */
function recordOf(row) {
  const facet = facetOf(row);
  const curve = curveOf(row);
  const mean = secondsAt("mean", row);
  const end = (/** @type {"below" | "above"} */ name, /** @type {number} */ sign) =>
    mean === null ? null : rounded(mean * (1 + (sign * numberAt(name, row)) / 1000));
  const flops = valueAt("flops", row);
  return {
    run: data.runs[facet.run].id,
    implementation: curve.method,
    ratio: curve.ratio,
    kept: curve.kept,
    layers: curve.layers,
    recover: curve.recover,
    seq_len: lengthOf(row),
    ...facet.axes,
    status: statusOf(row),
    latency_s: rounded(mean),
    latency_low_s: end("below", -1),
    latency_high_s: end("above", 1),
    p95_s: rounded(secondsAt("p95", row)),
    p99_s: rounded(secondsAt("p99", row)),
    p99_high_s: rounded(secondsAt("p99_high", row)),
    accuracy: valueAt("accuracy", row),
    samples: valueAt("count", row) || 0,
    reference: state.reference,
    times_as_fast: speedupRatio(row),
    memory_B: measuredMemory(row),
    memory_process_B: processBytes(row),
    flops: flops === null ? null : rounded(flops * MEGA),
    error_smooth: valueAt("smooth", row),
    error_noise: valueAt("noise", row),
    message: failureOf(row),
  };
}

/** @param {number | null} number */
function rounded(number) {
  return number === null ? null : Number(number.toPrecision(7));
}

/** @param {Record<string, string | number | null>[]} records */
function csvText(records) {
  const names = Object.keys(records[0] || {});
  const lines = [names, ...records.map((record) => names.map((name) => record[name]))];
  return lines.map((cells) => cells.map(csvCell).join(",") + "\r\n").join("");
}

/**
 * A cell. An apostrophe keeps a spreadsheet from running a text as a formula.
 * @param {string | number | null} given
 */
function csvCell(given) {
  const text = given === null ? "" : String(given);
  const safe = typeof given === "string" && /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
  return /[",\r\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
}

/**
 * @param {string} name of the file
 * @param {string} type
 * @param {string} text
 */
function download(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: type })), download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
