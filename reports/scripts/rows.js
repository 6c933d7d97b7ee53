// Which results the table holds, in which columns and order; `rem` is how wide a column is.
const COLUMNS = [
  { name: "case", rem: 9.25, title: "case", sort: (row) => value("curve", row), words: (row) => curveOf(row).name },
  { name: "setting", rem: 13, title: "setting", sort: (row) => settingOf(row).number, words: settingWords, every: true },
  { name: "n", rem: 4.5, title: "n", sort: lengthOf, words: (row) => String(lengthOf(row)) },
  { name: "p50", rem: 9.25, title: "p50 ±CI", sort: (row) => value("median", row), words: latencyWords },
  { name: "p95", rem: 5, title: "p95", sort: (row) => value("p95", row), words: (row) => timeWords("p95", row) },
  { name: "p99", rem: 5, title: "p99", sort: (row) => value("p99", row), words: (row) => timeWords("p99", row), rare: "p99" },
  { name: "speedup", rem: 5.25, title: "vs ", sort: (row) => ratioOf(row), words: (row) => speedupWords(state.reference, row) },
  { name: "memory", rem: 5.25, title: "memory", sort: memoryOf, words: memoryWords },
  { name: "process", rem: 5.25, title: "process", sort: processOf, words: processWords, rare: "process" },
  { name: "flops", rem: 6.5, title: "FLOPs", sort: (row) => value("flops", row), words: flopsWords },
  { name: "smooth", rem: 7, title: "error, smooth", sort: (row) => value("smooth", row), words: smoothWords },
  { name: "noise", rem: 6.25, title: "error, noise", sort: (row) => value("noise", row), words: noiseWords },
  { name: "samples", rem: 8.5, title: "samples", sort: (row) => value("count", row), words: samplesWords },
];
const searched = new Map(); // row -> the text that a search looks in
let placeOfRow = null; // row -> [setting, n], for every row

function findPlaces() {
  placeOfRow = [];
  data.settings.forEach((setting) =>
    setting.places.forEach(function ([n, first, count]) {
      placeOfRow.fill(null, first, first + count);
      for (let row = first; row < first + count; row += 1) {
        placeOfRow[row] = [setting, n];
      }
    }),
  );
}

function settingOf(row) {
  return placeOfRow[row][0];
}

function lengthOf(row) {
  return placeOfRow[row][1];
}

function ratioOf(row) {
  const found = against(state.reference, row);
  return found === null ? null : found.ratio;
}

function processWords(row) {
  const found = processOf(row);
  return found === null ? "-" : sizeWords(found);
}

function samplesWords(row) {
  const count = (value("warnings", row) || []).length;
  const warnings = count ? " ⚠ " + count : "";
  return (value("count", row) || 0) + " " + (wordOf("stop", data.rows.stops, row) || "") + warnings;
}

function columnsShown() {
  const found = COLUMNS.filter((column) => !column.rare || data.rows.columns[column.rare] !== undefined);
  return found.filter((column) => !column.every || state.every);
}

// What tells a row's setting apart, where the table holds several.
function settingWords(row) {
  const setting = settingOf(row);
  const run = data.runs.length > 1 ? data.runs[setting.run].title : "";
  return [run, setting.words].filter(Boolean).join(", ");
}

function searchText(row) {
  if (!searched.has(row)) {
    const failure = value("failure", row);
    const [status, why] = [statusOf(row), failure === null ? "" : sentence(failure)];
    const parts = [curveOf(row).name, "n=" + lengthOf(row), status, SHORT[status] || "", settingWords(row), why];
    searched.set(row, parts.join(" ").toLowerCase());
  }
  return searched.get(row);
}

// The rows that the reader's choices leave, in the reader's order; what has no value comes last, whichever the order.
function rowsFound() {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const all = state.every ? data.settings.flatMap((setting) => rowsOf(setting)) : rowsOf(state.setting);
  const found = all.filter((row) => shown(curveOf(row)) && words.every((word) => searchText(row).includes(word)));
  const descending = state.sort.startsWith("-");
  const column = COLUMNS.find((one) => one.name === state.sort.replace("-", ""));
  if (!column) {
    return found;
  }
  const keys = new Map(found.map((row) => [row, column.sort(row)]));
  return found.sort(function (a, b) {
    const [x, y] = [keys.get(a), keys.get(b)];
    if (x === null || y === null) {
      return (x === null) - (y === null) || a - b;
    }
    return (descending ? y - x : x - y) || a - b;
  });
}
