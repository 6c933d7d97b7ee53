// The data of the page, and ways to ask it: Python has computed every figure, here they are only unpacked.
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const MICROS = 1e6; // in one: divided by it, and not multiplied by 1e-6, a number stays the one that Python wrote
const MEGA = 1e6;
let data = null;

// The text of an embedded block, unpacked where it was compressed.
async function blockText(id) {
  const block = document.getElementById(id);
  if (block.type !== "application/gzip") {
    return block.textContent;
  }
  const bytes = Uint8Array.from(window.atob(block.textContent), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).text();
}

async function loadData() {
  data = JSON.parse(await blockText("data"));
  data.settings.forEach(function (setting, number) {
    setting.number = number;
    setting.lengths = setting.places.map(([length]) => length);
  });
  data.curves.forEach(function (curve, number) {
    curve.number = number;
  });
}

function partOf(column, row) {
  return typeof column === "object" ? (column[row] ?? null) : (column ?? null);
}

// A value of a column; null where it was not measured. A column with few values is row -> value, one of one value just that.
function value(name, row) {
  return partOf(data.rows.columns[name], row);
}

function time(name, row) {
  const found = value(name, row);
  return found === null ? null : found / MICROS;
}

function statusOf(row) {
  return data.statuses[Number(data.rows.status[row])];
}

function curveOf(row) {
  return data.curves[value("curve", row)];
}

// The rows of a setting at a length, or at all of its lengths.
function rowsOf(setting, length) {
  const rows = [];
  setting.places.forEach(function ([n, first, count]) {
    if (length === undefined || n === length) {
      for (let row = first; row < first + count; row += 1) {
        rows.push(row);
      }
    }
  });
  return rows;
}

// The rows of a setting by curve: for each curve that it has, its row at each of the setting's lengths, or null.
function curvesOf(setting) {
  const found = new Map();
  setting.places.forEach(function ([, first, count], place) {
    for (let row = first; row < first + count; row += 1) {
      const curve = value("curve", row);
      if (!found.has(curve)) {
        found.set(curve, new Array(setting.places.length).fill(null));
      }
      found.get(curve)[place] = row;
    }
  });
  return Array.from(found.keys()).sort((a, b) => a - b).map((number) => [data.curves[number], found.get(number)]);
}

// One of several known words for a row, written as a character; undefined where it has none.
function wordOf(name, words, row) {
  return words[ALPHABET.indexOf(data.rows[name][row])];
}

// By how many bytes the process grew.
function processOf(row) {
  const found = value("process", row);
  return found === null ? null : found * 1024;
}

// How a row compares with the reference: ratio, interval and who wins; null where that cannot be said.
function against(reference, row) {
  const found = data.rows.against[reference];
  const winner = found ? found.winner[row] : "-";
  if (winner === "-") {
    return null;
  }
  const part = (name) => partOf(found.columns[name], row);
  return { ratio: part("ratio"), low: part("low"), high: part("high"), winner: winner };
}

// What became of the reference at a row's shape; null where it was not in the plan.
function referenceStatus(reference, row) {
  const found = data.rows.against[reference].reference[row];
  return found === "-" ? null : data.statuses[Number(found)];
}

// A sentence from its form and its numbers.
function sentence(code) {
  const [form, ...numbers] = code.split("|");
  return data.forms[Number(form)].map((part, index) => part + (numbers[index] ?? "")).join("");
}

// The samples of a row in the order taken, each to within a 63rd of their range; null where there are none.
function samplesOf(row) {
  const code = value("samples", row);
  if (code === null) {
    return null;
  }
  const [low, high, places] = code.split(" ");
  const median = time("median", row);
  return {
    least: median * (1 - Number(low) / 1000),
    greatest: median * (1 + Number(high) / 1000),
    shares: Array.from(places, (place) => ALPHABET.indexOf(place) / 63),
  };
}

// The share of each stage in a call's time, in the order of data.stages; null where none was taken.
function splitOf(row) {
  const code = value("split", row);
  return code && data.stages.map((_, at) => (ALPHABET.indexOf(code[2 * at]) * 64 + ALPHABET.indexOf(code[2 * at + 1])) / 1000);
}

// Whether a slower row cannot be told apart from a faster one of its place.
function tied(faster, slower) {
  const place = value("rank", slower) - value("rank", faster) - 1;
  const word = (value("ties", faster) || "")[Math.floor(place / 6)];
  return word !== undefined && ((ALPHABET.indexOf(word) >> (place % 6)) & 1) === 1;
}

// The ranked rows of a place, fastest first; controls and what was not timed have no rank.
function ranked(setting, length) {
  const rows = rowsOf(setting, length).filter((row) => value("rank", row) !== null);
  return rows.sort((a, b) => value("rank", a) - value("rank", b));
}
