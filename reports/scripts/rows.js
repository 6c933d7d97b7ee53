// Which rows and columns the table has, and in which order.
/** @type {TableColumn[]} */
const COLUMNS = [
  {
    name: "case",
    get rem() {
      return caseWidth();
    },
    title: "case",
    key: (row) => valueAt("curve", row),
    text: (row) => curveOf(row).name,
  },
  { name: "facet", rem: 13, title: "facet", key: (row) => facetOf(row).number, text: facetLabel, facets: true },
  { name: "n", rem: 4.5, title: "n", key: lengthOf, text: (row) => String(lengthOf(row)) },
  { name: "latency", rem: 11.5, title: "latency (95% CI)", key: latencyKey, text: latencyCell },
  { name: "p95", rem: 5, title: "p95", key: (row) => valueAt("p95", row), text: (row) => timeCell("p95", row) },
  { name: "p99", rem: 5, title: "p99", key: (row) => valueAt("p99", row), text: (row) => timeCell("p99", row), optional: "p99" },
  { name: "speedup", rem: 5.25, title: "vs ", key: speedupRatio, text: (row) => speedupCell(state.reference, row) },
  { name: "memory", rem: 5.25, title: "memory", key: measuredMemory, text: memoryCell },
  { name: "process", rem: 5.25, title: "process", key: processBytes, text: processCell, optional: "process" },
  { name: "flops", rem: 6.5, title: "FLOPs", key: (row) => valueAt("flops", row), text: flopsCell },
  { name: "smooth", rem: 7.5, title: "error, smooth", key: (row) => comparableError("smooth", row), text: smoothErrorCell },
  { name: "noise", rem: 6.25, title: "error, noise", key: (row) => comparableError("noise", row), text: noiseErrorCell },
  { name: "samples", rem: 8.5, title: "samples", key: (row) => valueAt("count", row), text: samplesCell },
];
/** Enough rem for the longest name, within limits: a path of the user's own may be much longer. */
function caseWidth() {
  const longest = maximum(data.curves.map((curve) => curve.name.length)) || 0;
  return Math.min(18, Math.max(9.25, 2.5 + 0.53 * longest));
}

/**
 * The text that a search looks in.
 * @type {Map<Row, string>}
 */
const searchTexts = new Map();
/**
 * The facet and the length of every row.
 * @type {{ facet: Facet, n: number }[]}
 */
const shapeOfRow = [];

function indexRows() {
  data.facets.forEach((facet) =>
    facet.shapes.forEach(function ([n, first, count]) {
      for (let row = first; row < first + count; row += 1) {
        shapeOfRow[row] = { facet: facet, n: n };
      }
    }),
  );
}

/** @param {Row} row */
function facetOf(row) {
  return shapeOfRow[row].facet;
}

/** @param {Row} row */
function lengthOf(row) {
  return shapeOfRow[row].n;
}

/** @param {Row} row */
function latencyKey(row) {
  return valueAt("mean", row) ?? valueAt("accuracy", row);
}

/** @param {Row} row */
function speedupRatio(row) {
  const speedup = speedupOver(state.reference, row);
  return speedup === null ? null : speedup.ratio;
}

function visibleColumns() {
  const measured = COLUMNS.filter((column) => !column.optional || data.rows.columns[column.optional] !== undefined);
  return measured.filter((column) => !column.facets || state.every);
}

/**
 * The run and the label of a row's facet.
 * @param {Row} row
 */
function facetLabel(row) {
  const facet = facetOf(row);
  const run = data.runs.length > 1 ? data.runs[facet.run].title : "";
  return [run, facet.label].filter(Boolean).join(", ");
}

/** @param {Row} row */
function searchText(row) {
  const known = searchTexts.get(row);
  if (known !== undefined) {
    return known;
  }
  const status = statusOf(row);
  const parts = [curveOf(row).name, "n=" + lengthOf(row), status, SHORT_STATUS[status] || "", facetLabel(row), failureOf(row)];
  const text = parts.filter(Boolean).join(" ").toLowerCase();
  searchTexts.set(row, text);
  return text;
}

/** The rows that match the choices, in the chosen order. Rows without a value come last in either order. */
function matchingRows() {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const all = state.every ? data.facets.flatMap((facet) => rowsOf(facet)) : rowsOf(state.facet);
  const found = all.filter((row) => isShown(curveOf(row)) && words.every((word) => searchText(row).includes(word)));
  const descending = state.sort.startsWith("-");
  const column = COLUMNS.find((one) => one.name === state.sort.replace("-", ""));
  if (!column) {
    return found;
  }
  const keys = new Map(found.map((row) => [row, column.key(row)]));
  return found.sort(function (a, b) {
    const [x, y] = [keys.get(a) ?? null, keys.get(b) ?? null];
    if (x === null || y === null) {
      return Number(x === null) - Number(y === null) || a - b;
    }
    return (descending ? y - x : x - y) || a - b;
  });
}
