// Reads the data of the page. Python computes every number; these functions only decode them.
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const MICROS = 1e6; // dividing by it gives the number that Python wrote; multiplying by 1e-6 may not
const MEGA = 1e6;
/** @type {PageData} */
let data;

/**
 * The text of an embedded block, decompressed if needed.
 * @param {string} id
 * @returns {Promise<string>}
 */
async function blockText(id) {
  const block = /** @type {HTMLScriptElement} */ (byId(id));
  if (block.type !== "application/gzip") {
    return block.text;
  }
  const bytes = Uint8Array.from(window.atob(block.text), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).text();
}

async function loadData() {
  data = JSON.parse(await blockText("data"));
  data.facets.forEach(function (facet, number) {
    facet.number = number;
    facet.lengths = facet.shapes.map(([length]) => length);
  });
  data.curves.forEach(function (curve, number) {
    curve.number = number;
  });
}

/**
 * @template {string | number | string[]} T
 * @param {Column<T> | undefined} column
 * @param {Row} row
 * @returns {T | null}
 */
function entryOf(column, row) {
  if (typeof column === "object") {
    return /** @type {Record<Row, T | null>} */ (column)[row] ?? null;
  }
  return /** @type {T | undefined} */ (column) ?? null;
}

/**
 * The value of a row in a column, or null if it was not measured.
 * @template {keyof Values} Name
 * @param {Name} name
 * @param {Row} row
 * @returns {Values[Name] | null}
 */
function valueAt(name, row) {
  return entryOf(/** @type {Column<Values[Name]> | undefined} */ (data.rows.columns[name]), row);
}

/**
 * A number that every row has, or that the caller has found in this row.
 * @param {"curve" | "worth" | "rank" | "below" | "above" | "rate" | "share" | "intensity" | "smooth"} name
 * @param {Row} row
 */
function numberAt(name, row) {
  return /** @type {number} */ (valueAt(name, row));
}

/**
 * @param {Latency} name
 * @param {Row} row
 */
function secondsAt(name, row) {
  const micros = valueAt(name, row);
  return micros === null ? null : micros / MICROS;
}

/** @param {Row} row */
function statusOf(row) {
  return data.statuses[Number(data.rows.status[row])];
}

/** @param {Row} row */
function curveOf(row) {
  return data.curves[numberAt("curve", row)];
}

/**
 * What is known of the accuracy of a row.
 * @param {Row} row
 */
function worthOf(row) {
  return data.rows.worths[numberAt("worth", row)];
}

/**
 * The rows of a facet at a length, or at all of its lengths.
 * @param {Facet} facet
 * @param {number} [length]
 */
function rowsOf(facet, length) {
  /** @type {Row[]} */
  const rows = [];
  facet.shapes.forEach(function ([n, first, count]) {
    if (length === undefined || n === length) {
      for (let row = first; row < first + count; row += 1) {
        rows.push(row);
      }
    }
  });
  return rows;
}

/**
 * The curves of a facet, each with its row at each of the facet's lengths, or null where it has none.
 * @param {Facet} facet
 * @returns {[Curve, (Row | null)[]][]}
 */
function curvesOf(facet) {
  /** @type {(Row | null)[][]} */
  const found = [];
  facet.shapes.forEach(function ([, first, count], index) {
    for (let row = first; row < first + count; row += 1) {
      const curve = numberAt("curve", row);
      found[curve] ??= new Array(facet.shapes.length).fill(null);
      found[curve][index] = row;
    }
  });
  return data.curves.filter((curve) => found[curve.number]).map((curve) => [curve, found[curve.number]]);
}

/**
 * The word that a row's letter stands for, or undefined if the row has none.
 * @param {"stop" | "bound"} name
 * @param {string[]} words
 * @param {Row} row
 */
function wordAt(name, words, row) {
  return words[ALPHABET.indexOf(data.rows[name][row])];
}

/**
 * How many bytes the process grew by; on CUDA, how many of the memory of the GPU it holds.
 * @param {Row} row
 */
function processBytes(row) {
  const kibibytes = valueAt("process", row);
  return kibibytes === null ? null : kibibytes * 1024;
}

/**
 * How a row compares with the reference, or null if the two cannot be compared.
 * @param {string | null} reference
 * @param {Row} row
 * @returns {SpeedupOfRow | null}
 */
function speedupOver(reference, row) {
  const found = data.rows.speedups[reference ?? ""];
  const winner = found ? found.winner[row] : "-";
  if (winner === "-") {
    return null;
  }
  return {
    ratio: /** @type {number} */ (entryOf(found.columns.ratio, row)),
    low: entryOf(found.columns.low, row),
    high: entryOf(found.columns.high, row),
    winner: /** @type {Winner} */ (winner),
  };
}

/**
 * The status of the reference at a row's shape, or null if the reference was not planned there.
 * @param {string} reference
 * @param {Row} row
 */
function referenceStatus(reference, row) {
  const digit = data.rows.speedups[reference].reference[row];
  return digit === "-" ? null : data.statuses[Number(digit)];
}

/**
 * A sentence from its form and its numbers.
 * @param {string} code
 */
function sentence(code) {
  const [form, ...numbers] = code.split("|");
  return data.forms[Number(form)].map((part, index) => part + (numbers[index] ?? "")).join("");
}

/**
 * Why a row has failed; null for one that has not.
 * @param {Row} row
 */
function failureOf(row) {
  const code = valueAt("failure", row);
  return code === null ? null : sentence(code);
}

/**
 * The samples of a row in the order taken, to within a 63rd of their range, or null if there are none.
 * @param {Row} row
 */
function samplesOf(row) {
  const [code, mean] = [valueAt("samples", row), secondsAt("mean", row)];
  if (code === null || mean === null) {
    return null;
  }
  const [low, high, letters] = code.split(" ");
  return {
    least: mean * (1 - Number(low) / 1000),
    greatest: mean * (1 + Number(high) / 1000),
    shares: Array.from(letters, (letter) => ALPHABET.indexOf(letter) / 63),
  };
}

/**
 * The share of each stage in a call's time, in the order of data.stages, or null if the call was not profiled.
 * @param {Row} row
 */
function stageShares(row) {
  const code = valueAt("split", row);
  return code === null
    ? null
    : data.stages.map((_, at) => (ALPHABET.indexOf(code[2 * at]) * 64 + ALPHABET.indexOf(code[2 * at + 1])) / 1000);
}

/**
 * Whether a slower row is tied with a faster one of its shape.
 * @param {Row} faster
 * @param {Row} slower
 */
function isTied(faster, slower) {
  const bit = numberAt("rank", slower) - numberAt("rank", faster) - 1;
  const letter = (valueAt("ties", faster) ?? "")[Math.floor(bit / 6)];
  return letter !== undefined && ((ALPHABET.indexOf(letter) >> (bit % 6)) & 1) === 1;
}

/**
 * The ranking of a shape, fastest first. Controls and rows without a latency have no rank.
 * @param {Facet} facet
 * @param {number} length
 */
function rankedRows(facet, length) {
  const rows = rowsOf(facet, length).filter((row) => valueAt("rank", row) !== null);
  return rows.sort((a, b) => numberAt("rank", a) - numberAt("rank", b));
}
