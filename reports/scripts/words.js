// A result in words: the same texts as in the table that Python renders.
const MARKS = { f: "▲", s: "▼", t: "=" };
const SHORT = { oom: "OOM", error: "failed" };

function relativeHalfWidth(row) {
  return (value("below", row) + value("above", row)) / 2000;
}

function latencyWords(row) {
  const median = time("median", row);
  return median === null ? "-" : secondsWords(median) + " " + widthWords(relativeHalfWidth(row));
}

function timeWords(name, row) {
  const found = time(name, row);
  return found === null ? "-" : secondsWords(found);
}

function speedupWords(reference, row) {
  if (curveOf(row).method === reference && time("median", row) !== null) {
    return "1.00x";
  }
  const found = against(reference, row);
  return found === null ? "-" : MARKS[found.winner] + " " + ratioWords(found.ratio);
}

function speedupWithInterval(found) {
  if (found.low === null || found.high === null) {
    return ratioWords(found.ratio);
  }
  const [low, high] = [found.low, found.high].map((end) => ratioWords(end).slice(0, -1));
  return ratioWords(found.ratio) + " (" + low + "-" + high + ")";
}

// The memory that was measured; what ran out of memory has an estimate only.
function memoryOf(row) {
  return statusOf(row) === "oom" ? null : value("memory", row);
}

function memoryWords(row) {
  const found = memoryOf(row);
  return found === null ? "-" : sizeWords(found);
}

function flopsWords(row) {
  const found = value("flops", row);
  return found === null ? "-" : countWords(found * MEGA, "FLOP");
}

function smoothWords(row) {
  const found = value("smooth", row);
  return found === null ? "-" : errorWords(found) + (curveOf(row).starred ? " *" : "");
}

function noiseWords(row) {
  const found = value("noise", row);
  return found === null ? "-" : errorWords(found);
}

// Why a cell of the speed-up chart holds no ratio, or the ratio.
function cellWords(reference, row) {
  const status = statusOf(row);
  if (status !== "ok") {
    return SHORT[status] || status;
  }
  const there = referenceStatus(reference, row);
  if (there === null) {
    return "no reference";
  }
  return there === "ok" ? speedupWords(reference, row) : "reference " + (SHORT[there] || there);
}
