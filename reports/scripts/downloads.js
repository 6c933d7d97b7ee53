// The results of the table as files, with the digits that the page has; raw samples are what `dctbench export` writes.
function downloadButtons() {
  const button = (text, make_) => make("button", { type: "button", onclick: make_ }, text);
  return [
    button("Download CSV", () => download("dctbench-results.csv", "text/csv", csvText(records()))),
    button("Download JSON", () => download("dctbench-results.json", "application/json", JSON.stringify(records(), null, 1))),
  ];
}

function records() {
  return listed.map(function (row) {
    const setting = settingOf(row);
    const median = time("median", row);
    const end = (name, sign) => (median === null ? null : digits(median * (1 + (sign * value(name, row)) / 1000)));
    const speedup = against(state.reference, row);
    return Object.assign(
      { run: data.runs[setting.run].id, implementation: curveOf(row).method, ratio: curveOf(row).ratio, seq_len: lengthOf(row) },
      setting.axes,
      {
        status: statusOf(row),
        latency_s: digits(median),
        latency_low_s: end("below", -1),
        latency_high_s: end("above", 1),
        p95_s: digits(time("p95", row)),
        p99_s: digits(time("p99", row)),
        p99_high_s: digits(time("p99_high", row)),
        samples: value("count", row) || 0,
        reference: state.reference,
        times_as_fast: speedup ? speedup.ratio : null,
        memory_B: memoryOf(row),
        memory_process_B: processOf(row),
        flops: value("flops", row) === null ? null : digits(value("flops", row) * MEGA),
        error_smooth: value("smooth", row),
        error_noise: value("noise", row),
        message: value("failure", row) === null ? null : sentence(value("failure", row)),
      },
    );
  });
}

function digits(number) {
  return number === null ? null : Number(number.toPrecision(7));
}

function csvText(found) {
  const names = Object.keys(found[0] || {});
  return [names, ...found.map((one) => names.map((name) => one[name]))].map((cells) => cells.map(csvCell).join(",") + "\r\n").join("");
}

// A text that a spreadsheet would take for a formula is made a text again.
function csvCell(given) {
  const text = given === null ? "" : String(given);
  const safe = typeof given === "string" && /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
  return /[",\r\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
}

function download(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: type })), download: name });
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
